import { expect, test } from "vitest";
import { actionLane, actionShares, endingOf, totals } from "./strip";

test("steps that share a pixel keep their shares", () => {
  expect(actionShares([0, 2, 2, 2, 1], 0, 4)).toEqual([
    [0, 0.25],
    [2, 0.75],
  ]);
  expect(actionShares([0, 2, 2], 1, 1)).toEqual([[2, 1]]);
  expect(actionShares([0, 2], 1, 9)).toEqual([[2, 1]]);
});

test("a continuous action has a line for each dimension", () => {
  const lane = actionLane({ shape: [3, 2], data: Float32Array.from([1, -1, 2, -2, 3, -3]) });
  expect(lane.lines.map((line) => line.values)).toEqual([
    [1, 2, 3],
    [-1, -2, -3],
  ]);
  expect([lane.low, lane.high]).toEqual([-3, 3]);
});

test.each([
  ["crashed", "\u2715"],
  ["arrived", "\u25cf"],
  ["arrived+crashed", "\u25cf\u2715"],
  ["timed_out", "\u25fb"],
])("%s ends with %s", (outcome, mark) => {
  expect(endingOf(outcome).mark).toBe(mark);
});

test("rewards add up", () => {
  expect([...totals([1, 0, -3])]).toEqual([1, 1, -2]);
});
