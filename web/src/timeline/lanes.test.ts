import { describe, expect, test } from "vitest";
import type { TrackValues } from "../api/schema";
import { actionOf, alone, barOf, bestOf, digitsFor, lanesOf } from "./lanes";

const ACTIONS = ["SLOWER", "IDLE", "FASTER"];

function track(name: string, group = "", change: Partial<TrackValues> = {}): TrackValues {
  return { name, unit: "", group, kind: "line", values: [1, 2], python: "", ...change };
}

describe("lanes", () => {
  test("tracks of a group share a lane, in the order of their first", () => {
    const found = lanesOf(
      [track("margin"), track("q[IDLE]", "q"), track("speed"), track("q[FASTER]", "q")],
      ACTIONS,
    );
    expect(found.map((lane) => lane.lines.map((line) => line.name))).toEqual([
      ["margin"],
      ["q[IDLE]", "q[FASTER]"],
      ["speed"],
    ]);
    expect(found[1]).toMatchObject({ title: "Q-values", actions: true });
    expect(found[1]!.lines.map((line) => line.colour)).toEqual([
      "var(--action-1)",
      "var(--action-2)",
    ]);
    expect(found[1]!.lines.map((line) => line.label)).toEqual(["IDLE", "FASTER"]);
  });
  test("events and other units do not share an axis", () => {
    const found = lanesOf(
      [
        track("a", "g", { unit: "m" }),
        track("b", "g", { unit: "s" }),
        track("hit", "g", { kind: "event", unit: "m" }),
      ],
      [],
    );
    expect(found.map((lane) => lane.lines.length)).toEqual([1, 1, 1]);
  });
  test("the range is that of all lines, without gaps", () => {
    const [lane] = lanesOf(
      [track("a", "g", { values: [null, -3] }), track("b", "g", { values: [5, null] })],
      [],
    );
    expect([lane!.low, lane!.high]).toEqual([-3, 5]);
  });
  test("a value beside Q-values is no action and leaves the actions their colours", () => {
    const [lane] = lanesOf([track("q[IDLE]", "q"), track("value", "q")], ACTIONS);
    expect(lane!.lines.map((line) => line.action)).toEqual([1, null]);
    expect(lane!.lines[1]!.colour).toBe("var(--ink-2)");
  });
  test("what does nothing is one line, of the first such action", () => {
    const shares = [track("p[no-op]", "probability"), track("p[FASTER]", "probability")];
    const [lane] = lanesOf(shares, ACTIONS, ["IDLE", "SLOWER"]);
    expect(lane!.lines[0]).toMatchObject({
      label: "no-op \u00d72",
      action: ACTIONS.indexOf("IDLE"),
      colour: "var(--ink-2)",
    });
    expect(lane!.lines[1]!.label).toBe("FASTER");
    expect(lanesOf(shares, ACTIONS)[0]!.lines[0]!.action).toBeNull();
  });

  test("members are named without their group, one alone in full", () => {
    const two = [track("entropy[0]", "entropy"), track("entropy[1]", "entropy")];
    expect(lanesOf(two, [])[0]!.lines.map((line) => line.label)).toEqual(["[0]", "[1]"]);
    expect(lanesOf(two.slice(1), [])[0]!.lines[0]!.label).toBe("entropy[1]");
  });
});

test.each([
  ["q[FASTER]", 2],
  ["logit[1]", 1],
  ["q[7]", null],
  ["p[IDLE]", 1],
  ["logp[0]", 0],
  ["mean[1]", null],
  ["observation[1]", null],
  ["observation[FASTER]", null],
  ["site[trunk][1]", null],
  ["q[FASTER]-q[SLOWER]", null],
  ["value", null],
])("%s is about action %s", (name, action) => {
  expect(actionOf(name, ACTIONS)).toBe(action);
});

test("points between gaps stand alone", () => {
  expect(alone([1, null, 2, 3, null, 4])).toEqual([0, 5]);
  expect(alone([1])).toEqual([0]);
});

test("the best of values, if there are any", () => {
  expect(bestOf([-2, null, -1])).toBe(-1);
  expect(bestOf([null, undefined])).toBeNull();
});

test("bars begin at zero, to either side", () => {
  expect(barOf(5, -5, 5)).toEqual({ from: 0.5, size: 0.5 });
  expect(barOf(-5, -5, 5)).toEqual({ from: 0, size: 0.5 });
  expect(barOf(4, 2, 8)).toEqual({ from: 0, size: 0.5 });
});

test("fewer decimals for wider ranges", () => {
  expect([5000, 500, 10, 0.1, 0.001].map((span) => digitsFor(0, span))).toEqual([0, 1, 2, 3, 4]);
});
