import { expect, it } from "vitest";
import { sampleRecording } from "../model/sample";
import { goalMark, pathOf, type Background } from "./road";

const scene = sampleRecording().scene as Background;

it("writes points as a path", () => {
  expect(
    pathOf([
      [0, 1],
      [2.345, -3],
    ]),
  ).toBe("M0.00 1.00L2.35 -3.00");
});

it("keeps the destination's mark inside the view, along its lane", () => {
  const mark = goalMark(scene, { x: -20, y: -20, size: 40 })!;
  expect(mark.x).toBe(0);
  expect(mark.y).toBeLessThan(20);
  expect(mark.y).toBeGreaterThan(15);
  expect(mark.angle).toBeCloseTo(90);
  expect(goalMark(scene, { x: -100, y: -100, size: 200 })!.y).toBe(60);
});

it("has no mark where the lane is out of view or there is no destination", () => {
  expect(goalMark(scene, { x: 100, y: 0, size: 20 })).toBeNull();
  expect(goalMark({}, { x: 0, y: 0, size: 20 })).toBeNull();
});
