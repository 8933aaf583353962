// Which tracks share a plot, what their lines are called, and how they look.

import type { TrackValues } from "../api/schema";
import { extent } from "../model/format";
import { actionColour, actionDash, layerColour } from "../model/palette";

export interface Line {
  /** The track; empty for what is no track. */
  name: string;
  label: string;
  values: (number | null)[];
  /** The action it stands for, if it does. */
  action: number | null;
  colour: string;
  dash: string;
}

export interface LaneSpec {
  key: string;
  title: string;
  unit: string;
  kind: "line" | "event";
  lines: Line[];
  low: number;
  high: number;
  /** Whether lines of it stand for actions. */
  actions: boolean;
}

const TITLES: Record<string, string> = {
  q: "Q-values",
  logit: "logits",
  logits: "logits",
  logp: "log-probabilities",
  probability: "probabilities",
};
const OF_ACTION = /^(?:q|p|logit|logp)\[([^[\]]+)\]$/;
const NEUTRAL = { colour: "var(--ink-2)", dash: "" };

/** The action that a track such as q[FASTER] or logit[2] is about; null for all others. */
export function actionOf(name: string, actions: string[]): number | null {
  const inside = OF_ACTION.exec(name)?.[1];
  if (inside === undefined) return null;
  const named = actions.indexOf(inside);
  if (named >= 0) return named;
  const index = /^\d+$/.test(inside) ? Number(inside) : -1;
  return index >= 0 && index < actions.length ? index : null;
}

/** Lanes in the order in which their first track was asked for. */
export function lanesOf(tracks: TrackValues[], actions: string[], idle: string[] = []): LaneSpec[] {
  const groups = new Map<string, TrackValues[]>();
  for (const track of tracks) {
    const alone = track.kind === "event" || !track.group;
    const key = alone ? `${track.kind} ${track.name}` : `group ${track.group} ${track.unit}`;
    groups.set(key, [...(groups.get(key) ?? []), track]);
  }
  return [...groups].map(([key, members]) => lane(key, members, actions, idle));
}

/** The track of all actions that do nothing, as `envs/actions.py` calls them. */
const NOTHING = "p[no-op]";

function lane(key: string, tracks: TrackValues[], actions: string[], idle: string[]): LaneSpec {
  const first = tracks[0]!;
  const nothing = (i: number) => idle.length > 0 && tracks[i]!.name === NOTHING;
  const about = tracks.map((track, i) =>
    nothing(i) ? actions.indexOf(idle[0]!) : actionOf(track.name, actions),
  );
  const actionNames = about.map((action, i) => {
    if (nothing(i)) return `${NOTHING.slice(2, -1)} \u00d7${idle.length}`;
    return action === null ? undefined : actions[action];
  });
  const lines = tracks.map((track, i) => ({
    name: track.name,
    label: actionNames[i] ?? (tracks.length > 1 ? within(track) : track.name),
    values: track.values,
    action: about[i] ?? null,
    ...(nothing(i) ? NEUTRAL : look(about[i] ?? null, i, about)),
  }));
  return {
    key,
    title: titleOf(first.group || first.name),
    unit: first.unit,
    kind: first.kind,
    ...spread(lines),
    actions: about.some((action) => action !== null),
  };
}

/** What a group is called. */
export function titleOf(group: string): string {
  return TITLES[group] ?? group;
}

/** The name of a track without that of its group, which stands above it. */
function within({ name, group }: TrackValues): string {
  return name.startsWith(`${group}[`) ? name.slice(group.length) : name;
}

function look(
  action: number | null,
  i: number,
  about: (number | null)[],
): Pick<Line, "colour" | "dash"> {
  if (action !== null) return { colour: actionColour(action), dash: actionDash(action) };
  if (about.length === 1) return NEUTRAL;
  if (about.some((other) => other !== null)) return { ...NEUTRAL, dash: "2 3" };
  return { colour: layerColour(i), dash: i < 7 ? "" : "6 3" };
}

/** Lines together with the range of all their values. */
export function spread(lines: Line[]): Pick<LaneSpec, "lines" | "low" | "high"> {
  const [low, high] = extent(lines.flatMap((line) => line.values));
  return { lines, low, high };
}

/** Decimals that tell values of such a range apart. */
export function digitsFor(low: number, high: number): number {
  const span = high - low;
  if (span >= 1000) return 0;
  if (span >= 100) return 1;
  if (span >= 0.5) return 2;
  return span >= 0.05 ? 3 : 4;
}

/** Steps whose value stands alone, so that no line passes through it. */
export function alone(values: (number | null)[]): number[] {
  const empty = (t: number) => values[t] === null || values[t] === undefined;
  return values.flatMap((_, t) => (!empty(t) && empty(t - 1) && empty(t + 1) ? [t] : []));
}

/** The best of the values; null where there are none. */
export function bestOf(values: (number | null | undefined)[]): number | null {
  const known = values.filter((value) => value !== null && value !== undefined);
  return known.length ? Math.max(...known) : null;
}

/** Where a bar from zero begins and how long it is, as shares of the range with zero in it. */
export function barOf(value: number, low: number, high: number): { from: number; size: number } {
  const [bottom, top] = [Math.min(low, 0), Math.max(high, 0)];
  const span = top - bottom || 1;
  return { from: (Math.min(value, 0) - bottom) / span, size: Math.abs(value) / span };
}
