// Reading steps: entities, actions, and where they change or part.

import { row, type Grid, type Numbers } from "../api/arrays";
import type { Box, Entity, Episode } from "./episode";
import { fixed } from "./format";

const COLUMNS = ["row", "x", "y", "heading", "speed", "length", "width"] as const;

/** Entities of each step from the columns entities/NAME, ordered by identity. */
export function entitiesByStep(
  steps: number,
  kinds: string[],
  grids: Record<string, Grid>,
): Entity[][] {
  const byStep: Entity[][] = Array.from({ length: steps }, () => []);
  const column = (name: string): Numbers | undefined => grids[`entities/${name}`]?.data;
  const [step, identity, kind] = [column("step"), column("identity"), column("kind")];
  if (!step || !identity) return byStep;
  const numbers = COLUMNS.map((name) => column(name));
  for (let i = 0; i < step.length; i += 1) {
    const [row, x, y, heading, speed, length, width] = numbers.map((values) => values?.[i] ?? 0);
    byStep[step[i]!]?.push({
      identity: identity[i]!,
      kind: kinds[kind?.[i] ?? 0] ?? "",
      row: row!,
      x: x!,
      y: y!,
      heading: heading!,
      speed: speed!,
      length: length!,
      width: width!,
    });
  }
  for (const entities of byStep) entities.sort((a, b) => a.identity - b.identity);
  return byStep;
}

/** The ego is the entity that is called 0. */
export function egoOf(entities: Entity[]): Entity | undefined {
  return entities.find((entity) => entity.identity === 0);
}

export function distance(a: Entity, b: Entity): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

/** The smallest box that holds all points. */
export function boxOf(points: [number, number][]): Box | null {
  if (!points.length) return null;
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

export function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, high));
}

export function nameOfAction(names: string[], action: ArrayLike<number>): string {
  if (names.length) return names[action[0] ?? 0] ?? String(action[0]);
  return Array.from(action, (value) => fixed(value)).join(", ");
}

export function changedSteps(action: Grid): number[] {
  const steps: number[] = [];
  for (let t = 1; t < (action.shape[0] ?? 0); t += 1) {
    if (action.data[t] !== action.data[t - 1]) steps.push(t);
  }
  return steps;
}

/** The step to jump to from `step`, backwards or forwards; null where there is none. */
export function nextOf(steps: number[], step: number, way: 1 | -1): number | null {
  const found = way > 0 ? steps.find((t) => t > step) : steps.findLast((t) => t < step);
  return found ?? null;
}

/** First step at which two episodes of one start take different actions; null where none is. */
export function firstParting(one: Episode, other: Episode): number | null {
  const steps = Math.min(one.steps, other.steps);
  for (let t = 0; t < steps; t += 1) {
    const theirs = row(other.action, t);
    if (row(one.action, t).some((value, i) => value !== theirs[i])) return t;
  }
  return null;
}

/** Whether two episodes began alike: one world, one seed. */
export function sameStart(one: Episode, other: Episode): boolean {
  const seed = one.detail.seed;
  return seed !== null && seed === other.detail.seed && one.recording.env === other.recording.env;
}
