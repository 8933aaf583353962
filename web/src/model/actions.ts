// Actions by what they do: several names may stand for doing nothing.

import type { Numbers } from "../api/arrays";
import type { RecordingDetail } from "../api/schema";
import { actionColour } from "./palette";

type Known = Pick<RecordingDetail, "actions" | "called" | "idle">;

/** What actions are called where people read of them: all that do nothing by one name. */
export function namesOf({ actions, called }: Known): string[] {
  return called?.length ? called : actions;
}

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

/** What an action is called, with its own name where that is another. */
export function aboutAction(recording: Known, action: number): string {
  const own = recording.actions[action] ?? String(action);
  const name = namesOf(recording)[action] ?? own;
  return name === own ? name : `${name} (${own})`;
}

/** What an action is called. */
export function nameOf(recording: Known, action: number): string {
  return namesOf(recording)[action] ?? String(action);
}

/** Actions to choose from: of those that do the same the first alone. */
export function choosable(recording: Known): { name: string; action: number }[] {
  return recording.actions
    .map((_, action) => ({ name: nameOf(recording, action), action }))
    .filter(({ action }) => effectOf(recording, action) === action);
}
