// Actions by what they do: several names may stand for doing nothing.

import type { Numbers } from "../api/arrays";
import type { RecordingDetail } from "../api/schema";
import { actionColour } from "./palette";

type Known = Pick<RecordingDetail, "actions" | "idle">;

/** Whether an action is one of several that do nothing. */
export function doesNothing({ actions, idle }: Known, action: number): boolean {
  return Boolean(idle?.includes(actions[action] ?? ""));
}

/** The first action that does the same. */
export function effectOf(recording: Known, action: number): number {
  if (!doesNothing(recording, action)) return action;
  return recording.actions.indexOf(recording.idle![0]!);
}

/** Actions with those that do the same made one. */
export function effects(recording: Known, action: Numbers): Numbers {
  if (!recording.idle?.length) return action;
  return Int32Array.from(action, (each) => effectOf(recording, each));
}

export function colourOf(recording: Known, action: number): string {
  return doesNothing(recording, action) ? "var(--ink-3)" : actionColour(action);
}

/** What an action is called, with a word where its name says more than it does. */
export function aboutAction(recording: Known, action: number): string {
  const name = recording.actions[action] ?? String(action);
  const says = doesNothing(recording, action) && name !== recording.idle![0];
  return says ? `${name} (does nothing here)` : name;
}
