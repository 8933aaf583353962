// What a fork shows: two futures on one clock, and their numbers as lanes and words.

import { row } from "../api/arrays";
import type { ForkAnswer, ForkRequest, ForkSide } from "../api/schema";
import type { Episode } from "../model/episode";
import { fixed } from "../model/format";
import { outcomeText } from "../model/palette";
import { namesOf } from "../model/actions";
import { clamp, nameOfAction } from "../model/steps";
import type { ForkPlace, View } from "../state/address";
import { spread, type LaneSpec } from "../timeline/lanes";

export type SideName = "kept" | "changed";
export const SIDES: readonly SideName[] = ["kept", "changed"];
export const TITLES: Record<SideName, string> = { kept: "as it was", changed: "changed" };
export const COLOURS: Record<SideName, string> = { kept: "var(--ink-2)", changed: "var(--bad)" };
/** Draws from the null of changes of activations. */
const DRAWS = 20;
/** Pairs of futures to choose from. */
export const PAIRS = [1, 5, 20];

export type Futures = Record<SideName, Episode>;

export function requestOf(view: View): ForkRequest | null {
  if (view.page !== "episode" || !view.fork) return null;
  const { step, pairs, scene, edits, during } = view.fork;
  if (!scene.length && !edits.length) return null;
  const place = { recording: view.recording, episode: view.episode, step };
  return { ...place, pairs, scene, edits, during, null: DRAWS };
}

/** Steps of the clock: until the later of both futures has ended. */
export function futureSteps(futures: Futures | null): number {
  return futures ? Math.max(...SIDES.map((side) => futures[side].steps)) : 0;
}

export interface SideStep {
  step: number;
  /** Whether the clock is behind its end, whose picture then stays. */
  ended: boolean;
}

export function sideStep(clock: number, steps: number): SideStep {
  return { step: clamp(clock, 0, Math.max(steps - 1, 0)), ended: clock >= steps };
}

/** What the agent expects at each step: its value, else its highest Q-value; null without either. */
export function valuesOf(episode: Episode): number[] | null {
  const { value, q } = episode.outputs;
  const steps = Array.from({ length: episode.steps }, (_, t) => t);
  if (value) return steps.map((t) => row(value, t)[0]!);
  return q ? steps.map((t) => Math.max(...Array.from(row(q, t)))) : null;
}

export function valueName(episode: Episode): string {
  return episode.outputs["value"] ? "value" : "highest Q-value";
}

/** Sum of the rewards from the fork up to and with each step; null before it. */
export function returnsOf(episode: Episode, from: number): (number | null)[] {
  let sum = 0;
  return Array.from({ length: episode.steps }, (_, t) =>
    t < from ? null : (sum += episode.reward.data[t] ?? 0),
  );
}

/** A lane with a line for each side; null where a side has no such numbers. */
export function pairLane(
  title: string,
  unit: string,
  futures: Futures,
  numbers: (episode: Episode) => (number | null)[] | null,
): LaneSpec | null {
  const steps = futureSteps(futures);
  const lines = SIDES.flatMap((side) => {
    const values = numbers(futures[side]);
    if (!values) return [];
    return {
      name: `${title} ${side}`,
      label: TITLES[side],
      values: Array.from({ length: steps }, (_, t) => values[t] ?? null),
      action: null,
      colour: COLOURS[side],
      dash: side === "kept" ? "5 3" : "",
    };
  });
  if (lines.length < SIDES.length) return null;
  return { key: title, title, unit, kind: "line", ...spread(lines), actions: false };
}

/** What is executed at a step, and what the agent expects of it: "FASTER, value 3.10". */
export function momentText(episode: Episode, step: number): string {
  const action = nameOfAction(namesOf(episode.recording), row(episode.action, step));
  const value = valuesOf(episode)?.[step];
  if (value === undefined) return action;
  return `${action}, ${valueName(episode)} ${fixed(value)}`;
}

/** How the first future of a side ended: "arrived at step 14, return 8.20". */
export function endText(side: ForkSide): string {
  const how = outcomeText(side.detail.outcome) || "cut";
  return `${how} at step ${side.detail.steps - 1}, return ${fixed(side.returns[0])}`;
}

/** How often each outcome was met, the most frequent first: "arrived 3, crashed 2". */
export function outcomeCounts(side: ForkSide): string {
  const counts = new Map<string, number>();
  for (const outcome of side.outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  const ordered = [...counts].sort(([, a], [, b]) => b - a);
  const said = ([outcome, n]: [string, number]) => `${outcomeText(outcome) || "cut"} ${n}`;
  return ordered.map(said).join(", ");
}

export function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
}

/** Draws from the null whose difference is as large as that of the changes, or larger. */
export function beaten(answer: ForkAnswer): number {
  const effect = Math.abs(answer.difference.value);
  return answer.null.filter((value) => Math.abs(value) >= effect).length;
}

/** Where the first pair parts, in words. */
export function partingText({ diverges }: ForkAnswer): string {
  const first = diverges[0] ?? null;
  const others = diverges.slice(1).filter((at) => at !== null).length;
  const more =
    diverges.length > 1 ? `; of the other pairs ${others} of ${diverges.length - 1}` : "";
  return (first === null ? "The actions never part" : `The actions part at step ${first}`) + more;
}

/** Two forks of a recording that are one and the same. */
export function sameFork(one: ForkPlace, other: ForkPlace): boolean {
  const plain = ({ step, pairs, scene, edits, during }: ForkPlace) => {
    const changes = scene.map((c) => [c.kind, c.identity ?? null, c.values ?? {}]);
    return JSON.stringify([step, pairs, changes, edits, edits.length ? during : null]);
  };
  return plain(one) === plain(other);
}
