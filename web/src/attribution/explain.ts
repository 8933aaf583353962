// An explanation as it is asked for, drawn and told.

import type {
  AttributionAnswer,
  AttributionQuestion,
  AttributionRequest,
  Share,
  TrustFigure,
} from "../api/schema";
import { entityTitle, type Episode, type Overlay } from "../model/episode";
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
  const { unit, python } = any;
  const layers = [any.over === "frame" ? NAME : "share"];
  const info = { name: NAME, over: any.over, layers, unit, signed: true, live: false, shown: true };
  return { info, extent: null, low: -reach, high: reach, python, ...shape };
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
  identity: number | null;
  value: number;
  /** From the middle, between -1 and 1. */
  share: number;
  parts: { name: string; value: number }[];
}

/** Bars of what is shown, the largest first, and how many smaller ones are left out. */
export function barsOf(
  answer: Explained,
  episode: Episode,
  step: number,
  kinds: string[] | null,
): { bars: Bar[]; more: number } {
  const marked = isMarked(episode.recording, kinds);
  const there = new Map(episode.entities[step]?.map((one) => [one.identity, one.kind]));
  const kindOf = (share: Share) => share.name || there.get(share.identity ?? -1) || "";
  const shown = answer.shares.filter(
    (share) =>
      (share.identity ?? null) === null || answer.over !== "frame" || marked(kindOf(share)),
  );
  const most = Math.max(...shown.map(({ value }) => Math.abs(value))) || 1;
  const bars = shown.slice(0, MOST_BARS).map((share) => {
    const identity = share.identity ?? null;
    const parts = (share.parts ?? []).map((value, i) => ({ name: answer.parts?.[i] ?? "", value }));
    return {
      key: identity === null ? share.name : String(identity),
      name: identity === null ? share.name : entityTitle(identity, kindOf(share)),
      identity,
      value: share.value,
      share: share.value / most,
      parts,
    };
  });
  const all = answer.over === "none" ? answer.units : shown.length;
  return { bars, more: all - bars.length };
}

/** A number in three digits, as the command line tells it. */
export function brief(value: number): string {
  const text = Number(value.toPrecision(3));
  const tiny = text !== 0 && Math.abs(text) < 1e-4;
  return (tiny ? text.toExponential() : String(text)).replaceAll("-", "\u2212");
}

/** Mean and interval of a figure. */
export function figureTold({ mean, low, high }: TrustFigure): string {
  if (mean === null) return "none";
  if (low === null || high === null) return `${brief(mean)} (one episode)`;
  return `${brief(mean)} [${brief(low)}, ${brief(high)}]`;
}

/** A method's name in a list. */
export function methodName(name: string): string {
  return name.replaceAll("_", " ");
}
