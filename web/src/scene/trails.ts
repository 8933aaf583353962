// Where entities were, and where they would be.

import type { Entity } from "../model/episode";
import type { Place } from "./moving";

/** Points of the last `count` steps up to `step`, by identity. */
export function trailsTo(byStep: Entity[][], step: number, count: number): Map<number, string> {
  const points = new Map<number, string[]>();
  for (let t = Math.max(0, step - count + 1); t <= step; t += 1) {
    for (const { identity, x, y } of byStep[t] ?? []) {
      const point = `${x.toFixed(2)},${y.toFixed(2)}`;
      const known = points.get(identity);
      if (known) known.push(point);
      else points.set(identity, [point]);
    }
  }
  return new Map([...points].map(([identity, all]) => [identity, all.join(" ")]));
}

/** An entity that the pointer holds somewhere. */
export interface Held {
  identity: number;
  place: Place;
}

export function moved(entities: Entity[], held: Held): Entity[] {
  return entities.map((entity) =>
    entity.identity === held.identity ? { ...entity, ...held.place } : entity,
  );
}

/** Changes are written down in centimetres. */
const SAME = 0.011;

function same(one: Place, other: Place): boolean {
  const gaps = [one.x - other.x, one.y - other.y, one.heading - other.heading];
  return gaps.every((gap) => Math.abs(gap) < SAME);
}

/** Whether the entities already stand where the pointer put one. */
export function answers(entities: Entity[], held: Held): boolean {
  const entity = entities.find(({ identity }) => identity === held.identity);
  return entity !== undefined && same(entity, held.place);
}

/** Recorded entities that stand elsewhere now, or are gone. */
export function outlines(recorded: Entity[], drawn: Entity[]): Entity[] {
  const now = new Map(drawn.map((entity) => [entity.identity, entity]));
  return recorded.filter((was) => {
    const is = now.get(was.identity);
    return !is || !same(is, was);
  });
}
