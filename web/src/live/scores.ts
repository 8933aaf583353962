// What the agent makes of a step, recorded and now: one number an action, or one a part of it.

import { row } from "../api/arrays";
import type { LiveAnswer, RecordingDetail } from "../api/schema";
import { doesNothing, effectOf, nameOf, namesOf } from "../model/actions";
import type { Episode } from "../model/episode";
import { brief } from "../model/format";
import { nameOfAction } from "../model/steps";

export interface Score {
  name: string;
  /** The actions it is of: several where they do the same. */
  actions: number[];
  recorded: number;
  now: number;
}

export interface Scores {
  title: string;
  rows: Score[];
  /** Ends of the scale that the marks stand on. */
  low: number;
  high: number;
  /** Where bars begin, and what stands there. */
  axis: { at: number; name: string };
  /** Colours of the rows are those of the actions. */
  discrete: boolean;
}

export interface Decided {
  /** The most likely action of the recorded step; the executed one until there is an answer. */
  recorded: string;
  now: string;
  /** Its index, where actions are discrete. */
  index: number;
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
  const [old, now] = chances
    ? [softmax(before), softmax(after)]
    : [Array.from(before), Array.from(after)];
  const rows = old.map((recorded, i) => ({
    name: discrete ? (recording.actions[i] ?? String(i)) : `${name}[${i}]`,
    actions: [i],
    recorded,
    now: now[i] ?? recorded,
  }));
  if (chances) return { ...SHARES, title: titleOf(name, chances), rows: joined(rows, recording) };
  const at = discrete ? meanOf(old) : 0;
  const reach = Math.max(...[...old, ...now].map((each) => Math.abs(each - at))) || 0.5;
  const axis = { at, name: discrete ? `mean ${brief(at)}` : "0" };
  const [low, high] = [at - reach, at + reach];
  return { title: titleOf(name, chances), rows, low, high, axis, discrete };
}

const SHARES = { low: 0, high: 1, axis: { at: 0, name: "0" }, discrete: true };

function meanOf(values: number[]): number {
  return values.reduce((total, value) => total + value, 0) / (values.length || 1);
}

/** Probabilities with those of all actions that do nothing made one, the first of them. */
function joined(rows: Score[], recording: RecordingDetail): Score[] {
  const idle = rows.filter((_, i) => doesNothing(recording, i));
  if (idle.length < 2) return rows;
  const sum = (of: (score: Score) => number) => idle.reduce((total, one) => total + of(one), 0);
  const one: Score = {
    name: `${nameOf(recording, idle[0]!.actions[0]!)} \u00d7${idle.length}`,
    actions: idle.flatMap(({ actions }) => actions),
    recorded: sum(({ recorded }) => recorded),
    now: sum(({ now }) => now),
  };
  return rows.flatMap((row) => (row === idle[0] ? [one] : idle.includes(row) ? [] : [row]));
}

function titleOf(name: string, chances: boolean): string {
  if (chances) return "probabilities";
  return name === "q" ? "Q-values" : name;
}

/** What the agent expects of a step, where it says; recorded and now. */
export function valueOf(
  episode: Episode,
  step: number,
  answer: LiveAnswer | null,
): { recorded: number; now: number } | null {
  const grid = episode.outputs["value"];
  const recorded = answer?.recorded_outputs["value"]?.[0] ?? grid?.data[step];
  if (recorded === undefined) return null;
  return { recorded, now: answer?.outputs["value"]?.[0] ?? recorded };
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
  const actions = namesOf(episode.recording);
  const done = answer?.recorded_action ?? Array.from(row(episode.action, step));
  const before = answer?.recorded_best ?? done;
  const after = answer?.action ?? before;
  const differ = (one: number[], other: number[]) =>
    one.some((value, i) => differs(episode.recording, value, other[i] ?? value));
  const how = episode.forced.includes(step) ? "forced" : "drawn";
  return {
    recorded: nameOfAction(actions, before),
    now: nameOfAction(actions, after),
    index: after[0] ?? -1,
    flips: differ(before, after),
    executed: differ(before, done) ? `${how}: ${nameOfAction(actions, done)}` : null,
  };
}

function differs(recording: RecordingDetail, one: number, other: number): boolean {
  if (!recording.actions.length) return Math.abs(one - other) > 1e-4;
  return effectOf(recording, one) !== effectOf(recording, other);
}

/** Where a number lies on a scale, in percent. */
export function along(value: number, low: number, high: number): number {
  if (!(high > low)) return 50;
  return Math.min(100, Math.max(0, ((value - low) / (high - low)) * 100));
}

export const NOT_SERVED = "An exported page holds no agent; `policyscope panel` can ask it.";

/** Why the live view cannot be had; null where it can. */
export function whyNot(recording: RecordingDetail, served: boolean): string | null {
  if (!served) return NOT_SERVED;
  if (!recording.live) return recording.live_why || "This recording cannot be asked.";
  return null;
}
