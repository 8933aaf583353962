// An explanation as it is asked for, drawn and told.

import type {
  AttributionAnswer,
  AttributionChoices,
  AttributionQuestion,
  AttributionRequest,
  Share,
  TrustFigure,
} from "../api/schema";
import { entityTitle, kindTitle, type Episode, type Overlay } from "../model/episode";
import { brief, plural } from "../model/format";
import { isMarked } from "../model/places";
import type { ExplainPlace, View } from "../state/address";

/** What is asked where the address says nothing. */
export const USUAL: ExplainPlace = {
  method: "integrated_gradients",
  site: "preprocess",
  target: "",
};
/** Bars that are listed. */
export const MOST_BARS = 12;
const NAME = "explanation";
/** Share of the places of a frame whose colours are not full, as in the figures. */
const FULL = 0.995;

/** An answer whose map is kept as numbers of 4 bytes. */
export interface Explained extends Omit<AttributionAnswer, "map"> {
  map: Float32Array;
}

export function explained(answer: AttributionAnswer): Explained {
  return { ...answer, map: Float32Array.from(answer.map ?? [], (value) => value ?? NaN) };
}

/** What the server is asked; null where nothing is to be explained. */
export function requestOf(view: View, step: number): AttributionRequest | null {
  if (view.page !== "episode" || view.live || view.tab !== "explain") return null;
  return { recording: view.recording, episode: view.episode, ...(view.explain ?? USUAL), step };
}

/** The choices after a change; null where they are those by default. */
export function chosen(now: ExplainPlace | null, change: Partial<ExplainPlace>) {
  const next = { ...USUAL, ...now, ...change };
  return Object.entries(USUAL).every(([name, value]) => next[name as keyof ExplainPlace] === value)
    ? null
    : next;
}

/** The question of all steps of an episode that a request is of. */
export function questionOf({ step: _, ...question }: AttributionRequest): AttributionQuestion {
  return question;
}

/** Steps to ask for while the page is idle: those ahead in the way of going, then those behind. */
export function neighbours(step: number, way: 1 | -1, steps: number): number[] {
  const wanted = [1, 2, 3, -1, 4, 5, 6].map((away) => step + way * away);
  return wanted.filter((t) => t >= 0 && t < steps);
}

/** Size of a value from which colours are full: of all but the 0.5 % largest places of a frame. */
export function reachOf({ over, map, shares }: Explained): number {
  if (over !== "frame") return Math.max(0, ...shares.map(({ value }) => Math.abs(value)));
  const sizes = map.map(Math.abs).filter(Number.isFinite).sort();
  return sizes[Math.ceil(FULL * (sizes.length - 1))] ?? 0;
}

/**
 * The explanation of a step as an overlay, from minus `reach` to `reach`; null where it lies on nothing
 * that is drawn. Over entities it has all steps that are known.
 */
export function overlayOf(
  known: Map<number, Explained>,
  step: number,
  steps: number,
  reach: number,
): Overlay | null {
  const now = known.get(step);
  const any = now ?? known.values().next().value;
  if (!any || any.over === "none") return null;
  const shape = any.over === "frame" ? now && frameOf(now, step) : entitiesOf(known, steps);
  if (!shape) return null;
  const { values_unit: unit, python } = any;
  const layers = [any.over === "frame" ? NAME : "share"];
  const info = { name: NAME, over: any.over, layers, unit, signed: true, live: false, shown: true };
  return { info, extent: null, low: -reach, high: reach, python, ...shape };
}

/**
 * Whether explanations take the place of chosen overlays: where they are drawn, of frames also while
 * that of the step is awaited.
 */
export function takesPlace(known: Map<number, Explained>, failed: boolean): boolean {
  const any = known.values().next().value;
  if (!any || any.over === "none") return false;
  return any.over === "entities" || !failed;
}

function frameOf({ map, height, width }: Explained, step: number) {
  return {
    values: { shape: [1, 1, height ?? 0, width ?? 0], data: map },
    identity: null,
    first: step,
  };
}

function entitiesOf(known: Map<number, Explained>, steps: number) {
  const most = Math.max(1, ...[...known.values()].map(({ shares }) => shares.length));
  const values = new Float32Array(steps * most).fill(NaN);
  const identity = new Int32Array(steps * most).fill(-1);
  for (const [t, { shares }] of known) {
    shares.forEach((share, i) => {
      values[t * most + i] = share.value;
      identity[t * most + i] = share.identity ?? -1;
    });
  }
  return {
    values: { shape: [steps, 1, most], data: values },
    identity: { shape: [steps, most], data: identity },
  };
}

export interface Bar {
  key: string;
  name: string;
  /** Of an entity that is drawn. */
  identity: number | null;
  value: number;
  /** From the middle, between -1 and 1. */
  share: number;
  /** Whether it is nothing beside the largest. */
  trifle: boolean;
  parts: { name: string; value: number }[];
}

/** What is listed of an explanation. */
export interface Listed {
  /** What the values are. */
  head: string;
  bars: Bar[];
  /** How many smaller ones are left out, as they have no common value. */
  more: number;
  /** Of all bars; null where values do not add up. */
  sum: number | null;
  /** Of the values; empty where they have none. */
  unit: string;
}

type Item = Omit<Bar, "share" | "trifle"> & { places: number };

/** Share of the largest below which a number is nothing, as `core/numbers.py` has it. */
const TRIFLE = 1e-3;
/** Share of the largest of the episode that makes a whole bar at a step where all are smaller. */
const WHOLE = 0.01;

/**
 * Bars that account for everything: a bar an entity that is drawn, one a kind of those that are not,
 * the largest first; then what lies in no box. Where values add up, so do the bars. `reach` is the
 * largest value of an entity in the episode, as far as it is known.
 */
export function barsOf(
  answer: Explained,
  episode: Episode,
  step: number,
  { kinds, identity }: Pick<View, "kinds" | "identity">,
  reach = 0,
): Listed {
  const { adds, over, rest } = answer;
  const marked = isMarked(episode.recording, over === "frame" ? kinds : null);
  const isDrawn = (share: Share, kind: string) =>
    over !== "frame" || marked(kind) || share.identity === identity;
  const there = new Map(episode.entities[step]?.map((one) => [one.identity, one.kind]));
  const drawn: Item[] = [];
  const hidden = new Map<string, Item[]>();
  for (const share of answer.shares) {
    const kind = share.name || there.get(share.identity ?? -1) || "";
    const one = itemOf(share, kind, answer.parts ?? []);
    if (isDrawn(share, kind)) drawn.push(one);
    else hidden.set(kind, [...(hidden.get(kind) ?? []), one]);
  }
  const grouped = [...hidden].map(([kind, items]) =>
    together(`${kindTitle(kind)}, ${counted(items.length, "box")}`, items, adds),
  );
  const all = [...drawn, ...grouped].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const [listed, cut] = [all.slice(0, MOST_BARS), all.slice(MOST_BARS)];
  const others = rest ? [itemOf(rest, rest.name, [])] : [];
  const smaller = over === "none" ? [...cut, ...others] : cut;
  const left = over === "none" ? [] : others;
  const count = cut.length + (over === "none" ? answer.units - all.length : 0);
  if (adds && smaller.length) left.unshift(together(`${count} smaller`, smaller, true));
  const known = [...listed, ...left];
  const told = [...known, ...twice(answer, known)];
  const most = Math.max(WHOLE * reach, ...told.map(({ value }) => Math.abs(value))) || 1;
  const trifle = (value: number) => value !== 0 && Math.abs(value) <= TRIFLE * most;
  return {
    head: headOf(answer),
    bars: told.map(({ places: _, ...bar }) => ({
      ...bar,
      share: bar.value / most,
      trifle: trifle(bar.value),
    })),
    more: adds ? 0 : count,
    sum: answer.sum ?? null,
    unit: isRange(answer.values_unit) ? "" : answer.values_unit,
  };
}

function itemOf(share: Share, kind: string, names: string[]): Item {
  const identity = share.identity ?? null;
  return {
    key: identity === null ? share.name : String(identity),
    name: identity === null ? share.name : entityTitle(identity, kind),
    identity,
    value: share.value,
    places: share.places ?? 0,
    parts: (share.parts ?? []).map((value, i) => ({ name: names[i] ?? "", value })),
  };
}

/** Several as one: their sum, or their mean over places. */
function together(name: string, items: Item[], adds: boolean): Item {
  const total = (of: (item: Item) => number) => items.reduce((sum, item) => sum + of(item), 0);
  const places = total((item) => item.places);
  const value = adds ? total((item) => item.value) : total((item) => item.value * item.places);
  const mean = value / (places || 1);
  return { key: name, name, identity: null, value: adds ? value : mean, places, parts: [] };
}

/** Share of the largest value from which it is told that boxes overlap. */
const TOLD_FROM = 1e-3;

/** What boxes that overlap count too often, so that the bars sum to what there is. */
function twice({ over, adds, sum }: Explained, items: Item[]): Item[] {
  if (!items.length || over !== "frame" || !adds || sum === null || sum === undefined) return [];
  const value = sum - items.reduce((total, item) => total + item.value, 0);
  const most = Math.max(...items.map((item) => Math.abs(item.value)));
  const name = "overlaps, taken off";
  const one = { key: name, name, identity: null, value, places: 0, parts: [] };
  return Math.abs(value) > TOLD_FROM * most ? [one] : [];
}

/** What the values of bars are, and their unit. */
function headOf({ over, adds, values_unit: unit, units }: Explained): string {
  const what = {
    frame: adds ? "sums over boxes" : "means over the places of a box, which do not add up",
    entities: adds ? "sums over rows" : "sums over rows, which do not add up to the target",
    none: `the largest of ${counted(units, "unit")}`,
  }[over];
  if (!unit) return what;
  return `${what}, ${isRange(unit) ? "from" : "in"} ${unit}`;
}

/** Whether in the place of a unit it is told between what the values lie: "0 to 1". */
function isRange(unit: string): boolean {
  return /^\S+ to \S+$/.test(unit);
}

function counted(n: number, what: string): string {
  return `${n} ${n === 1 ? what : plural(what)}`;
}

/** The method to ask at a site: the one asked before, where it can be asked there. */
export function methodAt(refused: Refused, method: string, site: string): string {
  return refused[site]?.[method] === undefined ? method : USUAL.method;
}

type Refused = AttributionChoices["refused"];

/** Why a method cannot be asked of a target; nothing where it can. */
export function unfit(
  needs: AttributionChoices["needs"],
  method: string,
  target: string,
): string | undefined {
  const need = needs[method];
  if (!need || !target) return undefined;
  const there = need.kinds.some((kind) => new RegExp(`(^|[^\\w.[])${kind}\\s*\\[`).test(target));
  return there === need.only ? undefined : need.why;
}

/** Mean and interval of a figure. */
export function figureTold({ mean, low, high }: TrustFigure, named = true): string {
  if (mean === null) return "none";
  if (low === null || high === null) return `${brief(mean)}${named ? " (one episode)" : ""}`;
  return `${brief(mean)} [${brief(low)}, ${brief(high)}]`;
}

/** A time in words, of milliseconds. */
export function tookText(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  return seconds < 1 ? `${Math.round(milliseconds)} ms` : `${seconds.toFixed(1)} s`;
}

/** A method's name in a list. */
export function methodName(name: string): string {
  return name.replaceAll("_", " ");
}
