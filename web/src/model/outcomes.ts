// Which of many outcomes there is room to name.

import type { Estimate } from "../api/schema";
import { percent } from "./format";
import { outcomeText } from "./palette";

const ROOM = 4;

/**
 * The most frequent outcomes, in their own order, and the rest. Where there are more than `room`,
 * those that never occurred are among the rest.
 */
export function frequent(
  outcomes: Estimate[],
  room = ROOM,
): { named: Estimate[]; rest: Estimate[] } {
  if (outcomes.length <= room) return { named: outcomes, rest: [] };
  const occurred = outcomes.filter(({ value }) => value > 0);
  const first = new Set(occurred.sort((a, b) => b.value - a.value).slice(0, room));
  return {
    named: outcomes.filter((one) => first.has(one)),
    rest: outcomes.filter((one) => !first.has(one)),
  };
}

/** How the rest is called where there is no room for it. */
export function restName(rest: Estimate[]): string {
  return rest.some(({ value }) => value > 0) ? `+${rest.length}` : "others 0%";
}

/** The rest in words, e.g. "saw 1%, lava 0%". */
export function restText(rest: Estimate[]): string {
  return rest.map(({ name, value }) => `${outcomeText(name)} ${percent(value)}`).join(", ");
}
