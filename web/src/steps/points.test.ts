import { expect, it } from "vitest";
import type { RecordingDetail } from "../api/schema";
import { defaultAxes, Finder, normalised, pointsOf, summarise } from "./points";
import { whereOf } from "./cloud";
import { stepOf, ticks } from "./ticks";

const grid = (data: Float32Array | Int32Array) => ({ shape: [data.length], data });
const points = pointsOf({
  x: grid(Float32Array.of(0, NaN, 2, 4)),
  y: grid(Float32Array.of(1, 1, 1, 3)),
  episode: grid(Int32Array.of(0, 0, 1, 1)),
  step: grid(Int32Array.of(0, 1, 0, 1)),
  action: grid(Int32Array.of(2, 0, 0, 2)),
});

it("leaves steps out that lack a number, and keeps the others together", () => {
  expect([points.count, points.missing]).toEqual([3, 1]);
  expect(Array.from(points.episode)).toEqual([0, 1, 1]);
  expect(Array.from(points.action)).toEqual([2, 0, 2]);
  expect(points.xs[0]).toBeLessThan(0);
  expect(points.xs[1]).toBeGreaterThan(4);
});

it("puts the ends of a range at -1 and 1", () => {
  expect(Array.from(normalised(Float32Array.of(-3, 0, 3), [-3, 3]))).toEqual([-1, 0, 1]);
});

it("counts actions of all steps and of some", () => {
  expect(summarise(points, null)).toEqual({
    count: 3,
    episodes: 2,
    actions: [
      { action: 0, count: 1, x: 2, y: 1 },
      { action: 2, count: 2, x: 2, y: 2 },
    ],
  });
  expect(summarise(points, [2])).toMatchObject({ count: 1, episodes: 1 });
});

it("finds the nearest of many points, or none", () => {
  const n = 2000;
  const at = (seed: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * seed));
  const [x, y] = [at(12.9898), at(78.233)];
  const finder = new Finder(x, y);
  for (const [px, py] of [
    [0, 0],
    [0.5, -0.99],
    [-1, 1],
  ] as [number, number][]) {
    let [best, least] = [-1, 0.05];
    for (let i = 0; i < n; i += 1) {
      const distance = Math.hypot(x[i]! - px, y[i]! - py);
      if (distance < least) [best, least] = [i, distance];
    }
    expect(finder.nearest(px, py, 0.05, 0.05)).toBe(best);
  }
  expect(new Finder(Float32Array.of(0), Float32Array.of(0)).nearest(0.5, 0, 0.1, 0.1)).toBe(-1);
});

it("prefers the margin and the value for its axes", () => {
  const tracks = (...names: string[]) =>
    ({ tracks: names.map((name) => ({ name, kind: "line" })) }) as unknown as RecordingDetail;
  expect(defaultAxes(tracks("q[A]", "value", "margin"))).toEqual(["margin", "value"]);
  expect(defaultAxes(tracks("mean[0]", "reward"))).toEqual(["reward", "mean[0]"]);
});

it("marks round numbers", () => {
  expect(ticks([-0.9, 2.2], 4).map(({ text }) => text)).toEqual(["0", "1", "2"]);
  expect(ticks([-0.25, 0.26], 6).map(({ text }) => text)).toEqual([
    "\u22120.2",
    "\u22120.1",
    "0.0",
    "0.1",
    "0.2",
  ]);
  expect(ticks([0, 10], 5).map(({ at }) => at)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  expect(ticks([1, 1], 5)).toEqual([]);
  expect([0.7, 1.1, 3, 60].map(stepOf)).toEqual([1, 2, 5, 100]);
});

it("writes where the map is looked at shortly, and nothing for all of it", () => {
  expect(whereOf(0.000001, -0.000001, 1.0000001)).toBeNull();
  expect(whereOf(-0.1234567, 0, 0.03333333)).toEqual([-0.12346, 0, 0.033333]);
});
