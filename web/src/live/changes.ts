// Changes of a step: each function gives the changes after one more.

import type { ObservationChange, SceneChange } from "../api/schema";

export interface Changes {
  scene: SceneChange[];
  observation: ObservationChange[];
  /** Actions executed after the changes of the scene. */
  actions: number[];
}

export const NONE: Changes = { scene: [], observation: [], actions: [] };

export function isNone({ scene, observation, actions }: Changes): boolean {
  return !scene.length && !observation.length && !actions.length;
}

export function same(one: Changes, other: Changes): boolean {
  return JSON.stringify(ordered(one)) === JSON.stringify(ordered(other));
}

// What differs only in how it was written down is the same.
function ordered({ scene, observation, actions }: Changes): unknown {
  return [
    scene.map((change) => [
      change.kind,
      change.identity ?? null,
      Object.entries(change.values ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)),
    ]),
    observation.map(({ index, value }) => [index, value]),
    actions,
  ];
}

/** A move of a vehicle; with its last move it becomes one. */
export function moved(
  scene: SceneChange[],
  identity: number,
  x: number,
  y: number,
  heading?: number,
): SceneChange[] {
  const values: Record<string, number> = { x: rounded(x, 2), y: rounded(y, 2) };
  if (heading !== undefined) values["heading"] = rounded(heading, 3);
  return merged(scene, { kind: "move", identity, values });
}

/** Another speed in m/s; with the last one of the vehicle it becomes one. */
export function sped(scene: SceneChange[], identity: number, speed: number): SceneChange[] {
  return merged(scene, { kind: "speed", identity, values: { speed: rounded(speed, 2) } });
}

/** A vehicle gone: what was done to it before no longer matters. */
export function removed(scene: SceneChange[], identity: number): SceneChange[] {
  return [
    ...scene.filter((change) => change.identity !== identity),
    { kind: "remove", identity, values: {} },
  ];
}

export function added(scene: SceneChange[], x: number, y: number, speed: number): SceneChange[] {
  const values = { x: rounded(x, 2), y: rounded(y, 2), speed: rounded(speed, 2) };
  return [...scene, { kind: "add", values }];
}

/**
 * The scene without one of its changes. Added vehicles are named in their order, so with one of them
 * goes what was done to vehicles that are not `recorded`.
 */
export function without(
  scene: SceneChange[],
  index: number,
  recorded: ReadonlySet<number>,
): SceneChange[] {
  const adds = scene[index]?.kind === "add";
  const lost = (change: SceneChange) =>
    adds && typeof change.identity === "number" && !recorded.has(change.identity);
  return scene.filter((change, i) => i !== index && !lost(change));
}

function merged(scene: SceneChange[], change: SceneChange): SceneChange[] {
  const at = scene.findLastIndex(
    ({ kind, identity }) => kind === change.kind && identity === change.identity,
  );
  if (at < 0) return [...scene, change];
  const values = { ...scene[at]!.values, ...change.values };
  return scene.map((one, i) => (i === at ? { ...change, values } : one));
}

/** One number of the observation set; null takes the change back. */
export function observed(
  observation: ObservationChange[],
  index: number[],
  value: number | null,
): ObservationChange[] {
  const place = index.join();
  const at = observation.findIndex((change) => change.index.join() === place);
  if (value === null) return observation.filter((_, i) => i !== at);
  const change = { index: [...index], value };
  if (at < 0) return [...observation, change];
  return observation.map((one, i) => (i === at ? change : one));
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits)) + 0; // no negative zero
}

/** The fastest speed, in m/s, and the farthest place from the recorded ego, in m, that are asked. */
const FASTEST = 100;
const FARTHEST = 1000;

/** Why a speed in m/s is refused; null where it is not. */
export function refusedSpeed(speed: number): string | null {
  return Math.abs(speed) > FASTEST ? `at most ${FASTEST} m/s` : null;
}

/** Why a place along one axis is refused, both in m; null where it is not. */
export function refusedPlace(place: number, ego: number): string | null {
  return Math.abs(place - ego) > FARTHEST ? "within 1 km of the ego" : null;
}

const UNITS: Record<string, string> = { x: " m", y: " m", heading: " rad", speed: " m/s" };
const WORDS: Record<string, [string, string]> = {
  move: ["move", " to "],
  speed: ["set", " to "],
  add: ["add a vehicle", " at "],
};

const TRAFFIC = (identity: number) => (identity ? `vehicle ${identity}` : "the ego");

/** A change of the scene in words: "move vehicle 2 to x 3.1 m, y −4 m". */
export function inWords(
  { kind, identity, values }: SceneChange,
  title: (identity: number) => string = TRAFFIC,
  units: Record<string, string> = UNITS,
): string {
  const [verb, joined] = WORDS[kind] ?? [kind, ": "];
  const who = typeof identity === "number" ? ` ${title(identity)}` : "";
  const numbers = Object.entries(values ?? {}).map(
    ([name, value]) =>
      `${name} ${String(rounded(value, 3)).replace("-", "\u2212")}${units[name] ?? ""}`,
  );
  return `${verb}${who}${numbers.length ? joined : ""}${numbers.join(", ")}`;
}
