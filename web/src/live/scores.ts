// What the agent makes of a step, recorded and now: one number an action, or one a part of it.

import { row } from "../api/arrays";
import type { LiveAnswer, RecordingDetail } from "../api/schema";
import type { Episode } from "../model/episode";
import { extent } from "../model/format";
import { nameOfAction } from "../model/steps";

export interface Score {
  name: string;
  recorded: number;
  now: number;
}

export interface Scores {
  title: string;
  rows: Score[];
  /** Ends of the scale that the marks stand on. */
  low: number;
  high: number;
  /** Colours of the rows are those of the actions. */
  discrete: boolean;
}

export interface Decided {
  /** The most likely action of the recorded step; the executed one until there is an answer. */
  recorded: string;
  now: string;
  flips: boolean;
  /** What was executed in place of the most likely action, e.g. "drawn: FASTER"; else null. */
  executed: string | null;
}

type Numbers = ArrayLike<number>;

/** Scores of a step; without an answer what was recorded stands for what is now. */
export function scores(episode: Episode, step: number, answer: LiveAnswer | null): Scores | null {
  const { recording, outputs } = episode;
  const name = recording.deciding ?? (recording.actions.length ? null : "mean");
  if (!name) return null;
  const grid = outputs[name];
  const before: Numbers | undefined = answer?.recorded_outputs[name] ?? (grid && row(grid, step));
  if (!before) return null;
  const after: Numbers = answer?.outputs[name] ?? before;
  const discrete = recording.actions.length > 0;
  const chances = discrete && name === "logits";
  const [old, now] = chances ? [softmax(before), softmax(after)] : [before, after];
  const rows = Array.from(old, (recorded, i) => ({
    name: discrete ? (recording.actions[i] ?? String(i)) : `${name}[${i}]`,
    recorded,
    now: now[i] ?? recorded,
  }));
  const [low, high] = chances ? [0, 1] : extent([...Array.from(old), ...Array.from(now)]);
  return { title: titleOf(name, chances), rows, low, high, discrete };
}

function titleOf(name: string, chances: boolean): string {
  if (chances) return "probabilities";
  return name === "q" ? "Q-values" : name;
}

export function softmax(logits: Numbers): number[] {
  const values = Array.from(logits);
  const most = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** What the agent would most likely do, recorded and now. */
export function decided(episode: Episode, step: number, answer: LiveAnswer | null): Decided {
  const { actions } = episode.recording;
  const done = answer?.recorded_action ?? Array.from(row(episode.action, step));
  const before = answer?.recorded_best ?? done;
  const after = answer?.action ?? before;
  const differ = (one: number[], other: number[]) =>
    one.some((value, i) => differs(value, other[i] ?? value, actions.length > 0));
  const how = episode.forced.includes(step) ? "forced" : "drawn";
  return {
    recorded: nameOfAction(actions, before),
    now: nameOfAction(actions, after),
    flips: differ(before, after),
    executed: differ(before, done) ? `${how}: ${nameOfAction(actions, done)}` : null,
  };
}

function differs(one: number, other: number, discrete: boolean): boolean {
  return discrete ? one !== other : Math.abs(one - other) > 1e-4;
}

/** Where a number lies on a scale, in percent. */
export function along(value: number, low: number, high: number): number {
  if (!(high > low)) return 50;
  return Math.min(100, Math.max(0, ((value - low) / (high - low)) * 100));
}

/** Why the live view cannot be had; null where it can. */
export function whyNot(recording: RecordingDetail, served: boolean): string | null {
  if (!served) return "An exported page holds no agent; `policyscope panel` can ask it.";
  if (!recording.live) return recording.live_why || "This recording cannot be asked.";
  return null;
}
