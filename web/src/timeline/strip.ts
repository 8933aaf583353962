// What the action strip and the events of an episode hold.

import type { Grid } from "../api/arrays";
import type { Episode } from "../model/episode";
import { outcomeClass, outcomeText } from "../model/palette";
import { spread, type LaneSpec } from "./lanes";
import { layerColour } from "../model/palette";

/** Actions of the steps `from` to `to` with their shares, in the order of the actions. */
export function actionShares(
  action: ArrayLike<number>,
  from: number,
  to: number,
): [action: number, share: number][] {
  const last = Math.min(Math.max(to, from + 1), action.length);
  const counts = new Map<number, number>();
  for (let t = from; t < last; t += 1) counts.set(action[t]!, (counts.get(action[t]!) ?? 0) + 1);
  const ordered = [...counts].sort(([a], [b]) => a - b);
  return ordered.map(([which, n]) => [which, n / (last - from)]);
}

export function isDiscrete(episode: Episode): boolean {
  return episode.recording.actions.length > 0 && episode.action.shape.length < 2;
}

/** Continuous actions as one lane with a line for each dimension. */
export function actionLane(action: Grid): LaneSpec {
  const steps = action.shape[0] ?? 0;
  const size = action.shape.slice(1).reduce((product, n) => product * n, 1);
  const lines = Array.from({ length: size }, (_, i) => ({
    name: "",
    label: size === 1 ? "action" : `action ${i}`,
    values: Array.from({ length: steps }, (_, t) => action.data[t * size + i] ?? null),
    action: null,
    colour: size === 1 ? "var(--ink-2)" : layerColour(i),
    dash: i < 7 ? "" : "6 3",
  }));
  return {
    key: "action",
    title: "action",
    unit: "",
    kind: "line",
    ...spread(lines),
    actions: false,
  };
}

export interface Ending {
  mark: string;
  text: string;
}

/** How the episode ended, and its mark behind the last step. */
export function endingOf(outcome: string): Ending {
  const parts = outcome.split("+").map(outcomeClass);
  const [arrived, crashed] = [parts.includes("good"), parts.includes("bad")];
  const mark = (arrived ? "\u25cf" : "") + (crashed ? "\u2715" : "") || "\u25fb";
  return { mark, text: outcomeText(outcome) };
}

/** Sums of the rewards up to and with each step. */
export function totals(reward: ArrayLike<number>): Float64Array {
  const sums = new Float64Array(reward.length);
  for (let t = 0, sum = 0; t < reward.length; t += 1) sums[t] = sum += reward[t]!;
  return sums;
}
