import { describe, expect, it } from "vitest";
import {
  added,
  inWords,
  isNone,
  moved,
  NONE,
  observed,
  removed,
  same,
  sped,
  without,
} from "./changes";

describe("the scene", () => {
  it("makes one change of a drag, in centimetres", () => {
    let scene = moved([], 2, 1.23456, -4, 0.5);
    scene = moved(scene, 2, 2, -0.001, 0.51234);
    expect(scene).toEqual([{ kind: "move", identity: 2, values: { x: 2, y: 0, heading: 0.512 } }]);
    expect(Object.is(scene[0]!.values!["y"], 0)).toBe(true);
  });

  it("keeps the heading where a later move tells none", () => {
    const scene = moved(moved([], 2, 1, 1, 0.5), 2, 3, 3);
    expect(scene[0]!.values).toEqual({ x: 3, y: 3, heading: 0.5 });
  });

  it("keeps moves of two vehicles, and a move and a speed, apart", () => {
    const scene = sped(moved(moved([], 2, 1, 1), 3, 2, 2), 2, 8.456);
    expect(scene.map(({ kind, identity }) => [kind, identity])).toEqual([
      ["move", 2],
      ["move", 3],
      ["speed", 2],
    ]);
    expect(moved(scene, 2, 9, 9)).toHaveLength(3);
    expect(scene[2]!.values).toEqual({ speed: 8.46 });
  });

  it("forgets what was done to a vehicle that is removed", () => {
    const scene = removed(sped(moved([], 2, 1, 1), 3, 1), 2);
    expect(scene.map(({ kind, identity }) => [kind, identity])).toEqual([
      ["speed", 3],
      ["remove", 2],
    ]);
  });

  it("takes what was done to added vehicles away with an added one", () => {
    const scene = moved(moved(added([], 0, 0, 8), 11, 1, 1), 2, 1, 1);
    expect(without(scene, 0, new Set([0, 2])).map(({ identity }) => identity)).toEqual([2]);
    expect(without(scene, 2, new Set([0, 2]))).toHaveLength(2);
  });

  it("changes nothing in place", () => {
    const before = moved([], 2, 1, 1);
    const copy = structuredClone(before);
    moved(before, 2, 5, 5);
    removed(before, 2);
    expect(before).toEqual(copy);
  });
});

describe("the observation", () => {
  it("sets a number once, and takes it back", () => {
    let changes = observed([], [0, 3], 1);
    changes = observed(changes, [0, 3], 2);
    changes = observed(changes, [0, 33], 5);
    expect(changes).toEqual([
      { index: [0, 3], value: 2 },
      { index: [0, 33], value: 5 },
    ]);
    expect(observed(changes, [0, 3], null)).toEqual([{ index: [0, 33], value: 5 }]);
    expect(observed(changes, [9, 9], null)).toEqual(changes);
  });
});

it("sees that changes are the same however they were written", () => {
  const scene = [{ kind: "move", identity: 2, values: { x: 1, y: 2 } }];
  const other = [{ kind: "move", identity: 2, values: { y: 2, x: 1 } }];
  expect(same({ ...NONE, scene }, { ...NONE, scene: other })).toBe(true);
  expect(same({ ...NONE, scene }, NONE)).toBe(false);
  expect(isNone({ ...NONE, observation: [{ index: [1], value: 0 }] })).toBe(false);
});

it("says a change in words", () => {
  const move = { kind: "move", identity: 2, values: { x: 3.1, y: -4 } };
  expect(inWords(move)).toBe("move vehicle 2 to x 3.1 m, y \u22124 m");
  expect(inWords({ kind: "remove", identity: 3, values: {} })).toBe("remove vehicle 3");
  expect(inWords({ kind: "speed", identity: 0, values: { speed: 2 } })).toBe(
    "set the ego to speed 2 m/s",
  );
  expect(inWords({ kind: "add", values: { x: 1 } })).toBe("add a vehicle at x 1 m");
});
