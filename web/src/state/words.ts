// Values as words of an address, and back: a reader gives null for what it cannot read.

import type { ObservationChange, SceneChange } from "../api/schema";
import type { Beside, ExplainPlace, ForkPlace, Part } from "./address";

// What needs no escape behind the #; the slash does in a path, where it parts.
const PLAIN: [RegExp, string][] = [
  [/%20/g, "+"],
  [/%3A/g, ":"],
  [/%40/g, "@"],
  [/%24/g, "$"],
];

export function encode(text: string): string {
  const whole = text.replace(/\p{Surrogate}/gu, "\ufffd");
  return PLAIN.reduce((word, [from, to]) => word.replace(from, to), encodeURIComponent(whole));
}

export function decode(raw: string): string | null {
  try {
    return decodeURIComponent(raw.replaceAll("+", "%20"));
  } catch {
    return null;
  }
}

export function whole(raw: string): number | null {
  const value = Number(raw);
  return /^-?\d+$/.test(raw) && Number.isSafeInteger(value) ? value : null;
}

export function wholeFrom0(raw: string): number | null {
  const value = whole(raw);
  return value !== null && value >= 0 ? value : null;
}

export function positive(raw: string): number | null {
  const value = number(raw);
  return value !== null && value > 0 ? value : null;
}

function number(raw: string): number | null {
  const value = Number(decode(raw) || "none");
  return Number.isFinite(value) ? value : null;
}

export function writeNumbers(values: readonly number[]): string {
  return values.map((value) => encode(String(value))).join(",");
}

/** Whole numbers from 0. */
export function readWholes(raw: string): number[] | null {
  return raw ? every(raw.split(","), wholeFrom0) : [];
}

/** Part of an axis of steps: from its first up to behind its last. */
export function readPart(raw: string): Part | null {
  const [from, to, ...more] = every(raw.split(","), number) ?? [];
  if (from === undefined || to === undefined || more.length) return null;
  return from >= 0 && to > from ? [from, to] : null;
}

/** Middle across and up, and a distance. */
export function readLook(raw: string): [number, number, number] | null {
  const [x, y, away, ...more] = every(raw.split(","), number) ?? [];
  if (x === undefined || y === undefined || away === undefined || more.length) return null;
  return away > 0 ? [x, y, away] : null;
}

/** All read, or null. */
function every<T>(raws: string[], parse: (raw: string) => T | null): T[] | null {
  const values = raws.map(parse);
  return values.includes(null) ? null : (values as T[]);
}

// A tilde alone is the empty text, so that no text at all can be the empty list.
export function writeList(texts: readonly string[]): string {
  return texts.map((text) => encode(text).replaceAll("~", "%7E") || "~").join(",");
}

export function readList(raw: string): string[] | null {
  return raw ? every(raw.split(","), (text) => (text === "~" ? "" : decode(text))) : [];
}

export function writeBeside({ recording, episode, shift }: Beside): string {
  return `${encode(recording)},${episode},${shift}`;
}

export function readBeside(raw: string): Beside | null {
  const [first = "", second = "", third = "", ...more] = raw.split(",");
  const [recording, episode, shift] = [decode(first), wholeFrom0(second), whole(third)];
  if (!recording || episode === null || shift === null || more.length) return null;
  return { recording, episode, shift };
}

/** Changes of the scene as JSON: ["kind", values] or ["kind", values, identity]. */
export function writeScene(changes: readonly SceneChange[]): string {
  return encode(
    JSON.stringify(
      changes.map(({ kind, values, identity }) =>
        identity === undefined ? [kind, values] : [kind, values, identity],
      ),
    ),
  );
}

export function readScene(raw: string): SceneChange[] | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(decode(raw) ?? "");
  } catch {
    return null;
  }
  if (!Array.isArray(parsed)) return null;
  const changes = parsed.map(sceneChange);
  return changes.includes(null) ? null : (changes as SceneChange[]);
}

function sceneChange(parsed: unknown): SceneChange | null {
  if (!Array.isArray(parsed) || parsed.length > 3) return null;
  const [kind, values, identity] = parsed as unknown[];
  if (typeof kind !== "string" || typeof values !== "object" || values === null) return null;
  if (Array.isArray(values)) return null;
  if (!Object.values(values).every((value) => typeof value === "number")) return null;
  const change: SceneChange = { kind, values: values as Record<string, number> };
  if (parsed.length < 3) return change;
  if (identity !== null && !Number.isSafeInteger(identity)) return null;
  return { ...change, identity: identity as number | null };
}

/** Changes of the observation: "0.3:1.5" sets number (0, 3) to 1.5. */
export function writeObservation(changes: readonly ObservationChange[]): string {
  return changes.map(({ index, value }) => `${index.join(".")}:${encode(String(value))}`).join(",");
}

export function readObservation(raw: string): ObservationChange[] | null {
  return raw ? every(raw.split(","), observationChange) : [];
}

function observationChange(raw: string): ObservationChange | null {
  const [where, to, ...more] = raw.split(":");
  if (where === undefined || to === undefined || more.length) return null;
  const index = where ? every(where.split("."), wholeFrom0) : [];
  const value = number(to);
  return index === null || value === null ? null : { index, value };
}

/** An explanation: its method, site and target, which may be empty. */
export function writeExplain({ method, site, target }: ExplainPlace): string {
  return [method, site, target].map(encode).join(",");
}

export function readExplain(raw: string): ExplainPlace | null {
  const [method, site, target, ...more] = every(raw.split(","), decode) ?? [];
  if (!method || !site || target === undefined || more.length) return null;
  return { method, site, target };
}

/** A fork: its step, pairs and changes of the scene; then its other changes and how long they last. */
export function writeFork({ step, pairs, scene, edits, during }: ForkPlace): string {
  const more = edits.length ? `,${encode(JSON.stringify(edits))}` : "";
  return `${step},${pairs},${writeScene(scene)}${more}${more && during ? `,${during}` : ""}`;
}

export function readFork(raw: string): ForkPlace | null {
  const [first = "", second = "", third = "", fourth, fifth, ...more] = raw.split(",");
  const [step, pairs, scene] = [wholeFrom0(first), positive(second), readScene(third)];
  const edits = fourth === undefined ? [] : readTexts(fourth);
  const during = fifth === undefined ? null : positive(fifth);
  if (step === null || pairs === null || scene === null || edits === null || more.length)
    return null;
  if (fifth !== undefined && !Number.isInteger(during)) return null;
  return Number.isInteger(pairs) ? { step, pairs, scene, edits, during } : null;
}

function readTexts(raw: string): string[] | null {
  try {
    const parsed: unknown = JSON.parse(decode(raw) ?? "");
    const texts = Array.isArray(parsed) && parsed.every((one) => typeof one === "string");
    return texts ? (parsed as string[]) : null;
  } catch {
    return null;
  }
}
