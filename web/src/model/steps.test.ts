import { expect, it } from "vitest";
import { sampleEpisode } from "./sample";
import { boxOf, changedSteps, entitiesByStep, firstParting, nextOf, sameStart } from "./steps";

it("groups the entities' columns by step, ordered by identity", () => {
  const column = (values: number[]) => ({
    shape: [values.length],
    data: Float64Array.from(values),
  });
  const byStep = entitiesByStep(3, ["ego", "vehicle"], {
    "entities/step": column([0, 0, 2]),
    "entities/identity": column([4, 0, 0]),
    "entities/kind": column([1, 0, 0]),
    "entities/row": column([-1, 0, 0]),
    "entities/x": column([7, 1, 3]),
  });
  expect(byStep.map((entities) => entities.map(({ identity }) => identity))).toEqual([
    [0, 4],
    [],
    [0],
  ]);
  expect(byStep[0]![1]).toMatchObject({ kind: "vehicle", row: -1, x: 7 });
});

it("finds where the action changes and jumps between these steps", () => {
  const changes = changedSteps(sampleEpisode().action);
  expect(changes).toEqual([2, 3]);
  expect([nextOf(changes, 0, 1), nextOf(changes, 2, 1), nextOf(changes, 3, 1)]).toEqual([
    2,
    3,
    null,
  ]);
  expect([nextOf(changes, 3, -1), nextOf(changes, 2, -1)]).toEqual([2, null]);
});

it("finds the first different action, and none in a twin", () => {
  const one = sampleEpisode();
  const action = { shape: [3], data: Int32Array.from([2, 0, 0]) };
  expect(firstParting(one, sampleEpisode({ action, steps: 3 }))).toBe(1);
  expect(firstParting(one, sampleEpisode())).toBeNull();
});

it("tells the same start by world and seed", () => {
  const one = sampleEpisode();
  expect(sameStart(one, sampleEpisode())).toBe(true);
  expect(sameStart(one, sampleEpisode({ detail: { ...one.detail, seed: 8 } }))).toBe(false);
  const elsewhere = { ...one.recording, env: "highway/roundabout" };
  expect(sameStart(one, sampleEpisode({ recording: elsewhere }))).toBe(false);
  const unseeded = { ...one.detail, seed: null };
  expect(sameStart(sampleEpisode({ detail: unseeded }), sampleEpisode({ detail: unseeded }))).toBe(
    false,
  );
});

it("boxes points", () => {
  expect(
    boxOf([
      [1, 5],
      [-2, 7],
    ]),
  ).toEqual([-2, 5, 1, 7]);
  expect(boxOf([])).toBeNull();
});
