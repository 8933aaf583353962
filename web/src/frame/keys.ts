// One keyboard handler for the page; each view adds its keys while it is there.

import { onDestroy } from "svelte";

export interface Key {
  /** What it does, in the list of keys; keys of the same text stand in one line. */
  help?: string;
  /** False lets the next handler have the key. */
  run: (event: KeyboardEvent) => void | boolean;
}

/** By `KeyboardEvent.key`, e.g. "ArrowLeft", " ", "?", "1". */
export type KeyMap = Record<string, Key | Key["run"]>;

interface Registered {
  map: KeyMap;
  view: string;
}

const registry: Registered[] = [];

/**
 * Keys of a component, for as long as it lives; the last one to ask for a key gets it first.
 *
 *     useKeys({ ArrowLeft: { help: "step back", run: () => jump(-1) } }, "Episode");
 */
export function useKeys(map: KeyMap, view = "Everywhere"): void {
  onDestroy(addKeys(map, view));
}

/** The same outside of components; gives a function that takes the keys away. */
export function addKeys(map: KeyMap, view = "Everywhere"): () => void {
  const entry = { map, view };
  registry.push(entry);
  return () => {
    const at = registry.indexOf(entry);
    if (at >= 0) registry.splice(at, 1);
  };
}

const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];
const MOVES_FAR = [...MOVES, "PageUp", "PageDown"];
const PRESSES = [" ", "Enter"];

/** Whether the element under the keyboard wants the key for itself. */
export function taken(key: string, target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return false;
  if (target.closest("select, textarea, [contenteditable='true']")) return true;
  const field = target.closest("input");
  if (field?.type === "range") return MOVES_FAR.includes(key);
  if (field && ["checkbox", "radio", "button"].includes(field.type)) {
    return PRESSES.includes(key) || (field.type === "radio" && MOVES.includes(key));
  }
  if (field) return true;
  return PRESSES.includes(key) && target.closest("button, a, summary") !== null;
}

/** Give a key to the first that wants it. */
export function press(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]") || taken(event.key, event.target)) return;
  for (const { map } of [...registry].reverse()) {
    const key = Object.hasOwn(map, event.key) ? map[event.key] : undefined;
    if (!key) continue;
    if ((typeof key === "function" ? key(event) : key.run(event)) === false) continue;
    event.preventDefault();
    return;
  }
}

/** Hear the keyboard; gives a function that stops. */
export function hearKeys(): () => void {
  addEventListener("keydown", press);
  return () => removeEventListener("keydown", press);
}

const NAMES: Record<string, string> = {
  ArrowLeft: "\u2190",
  ArrowRight: "\u2192",
  ArrowUp: "\u2191",
  ArrowDown: "\u2193",
  Escape: "Esc",
  "-": "\u2212",
  " ": "space",
};

export interface HelpLine {
  keys: string[];
  help: string;
}

/** The keys that work now, by view, as the list of keys shows them. */
export function keysByView(): Map<string, HelpLine[]> {
  const views = new Map<string, HelpLine[]>();
  for (const { map, view } of registry) {
    const lines = views.get(view) ?? [];
    for (const [name, key] of Object.entries(map)) {
      if (typeof key === "function" || !key.help) continue;
      const shown = NAMES[name] ?? name;
      const line = lines.find(({ help }) => help === key.help);
      if (!line) lines.push({ keys: [shown], help: key.help });
      else if (!line.keys.includes(shown)) line.keys.push(shown);
    }
    if (lines.length) views.set(view, lines);
  }
  return views;
}
