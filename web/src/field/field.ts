// A policy field as it is drawn: colours, arrows, and what is under the pointer.

import type { FieldAnswer, FieldRequest, RecordingDetail } from "../api/schema";
import { nameOf } from "../model/actions";
import { fixed } from "../model/format";
import type { View } from "../state/address";

export type SideName = "kept" | "changed";

/** One side of a field, to be drawn. */
export interface Shown {
  answer: FieldAnswer;
  side: SideName;
}

/** Tiles that the longest arrow spans, and the share of it from which an arrow is drawn. */
const REACH = 0.7;
const LEAST = 0.05;
const HEAD = 0.17;

/** What the server is asked; null where no field is to be shown. Changes count while they are live. */
export function requestOf(view: View, step: number): FieldRequest | null {
  if (view.page !== "episode" || !view.field) return null;
  const scene = view.live ? view.scene : [];
  return { recording: view.recording, episode: view.episode, step, scene };
}

/** Why a recording has no field now; null where it has, empty where it never has. */
export function whyNoField(recording: RecordingDetail, served: boolean): string | null {
  if (!recording.picture || !recording.actions.length || !served) return "";
  return recording.live ? null : recording.live_why || "This recording cannot be asked.";
}

/** Digits behind the point that tell the numbers of the scale apart. */
export function digitsOf({ low, high }: FieldAnswer): number {
  const span = high - low;
  return span >= 1 ? 2 : span >= 0.1 ? 3 : 4;
}

/** Where a number lies between the ends of the scale, from 0 to 1. */
export function shareOf({ low, high }: FieldAnswer, value: number): number {
  return high > low ? (value - low) / (high - low) : 0.5;
}

/** A colour of the scale, from 0 to 1. */
export function colourAt(share: number): string {
  const [from, to] = share < 0.5 ? ["mid", "low"] : ["mid", "high"];
  const part = Math.round(Math.abs(share - 0.5) * 200);
  return `color-mix(in oklab, var(--field-${to}) ${part}%, var(--field-${from}))`;
}

/** An arrow through the middle of a place, as the path of its shaft and head; empty for no push. */
export function arrow(x: number, y: number, [dx, dy]: number[], longest: number): string {
  const size = Math.hypot(dx!, dy!);
  if (!(longest > 0) || size < LEAST * longest) return "";
  const [ux, uy] = [dx! / size, dy! / size];
  const half = ((size / longest) * REACH) / 2;
  const head = Math.min(HEAD, 1.2 * half);
  const at = (along: number, aside: number) =>
    `${(x + ux * along - uy * aside).toFixed(3)} ${(y + uy * along + ux * aside).toFixed(3)}`;
  const back = half - head;
  return `M${at(-half, 0)}L${at(half, 0)}M${at(back, 0.6 * head)}L${at(half, 0)}L${at(back, -0.6 * head)}`;
}

/** Number of the place whose cell holds a point; -1 for none. */
export function placeAt({ x, y }: FieldAnswer, px: number, py: number): number {
  return x.findIndex((middle, i) => Math.abs(px - middle) <= 0.5 && Math.abs(py - y[i]!) <= 0.5);
}

/** Probabilities of what can be done, the greatest first; what does nothing is one. */
export function chancesOf(
  recording: RecordingDetail,
  chances: number[],
): { name: string; chance: number }[] {
  const sums = new Map<string, number>();
  chances.forEach((chance, action) => {
    const name = nameOf(recording, action);
    sums.set(name, (sums.get(name) ?? 0) + chance);
  });
  const all = [...sums].map(([name, chance]) => ({ name, chance }));
  return all.sort((one, other) => other.chance - one.chance);
}

/** What the agent would do at a place: "RIGHT 0.62, UP 0.20", or the action that it prefers. */
export function doneAt(
  answer: FieldAnswer,
  side: SideName,
  place: number,
  recording: RecordingDetail,
): string {
  const chances = chancesOf(recording, answer[side]?.chances[place] ?? []);
  if (!answer.policy) return chances[0]?.name ?? "";
  const told = chances.slice(0, MOST_TOLD).filter(({ chance }) => chance >= 0.005);
  return told.map(({ name, chance }) => `${name} ${fixed(chance)}`).join(", ");
}

const MOST_TOLD = 3;
