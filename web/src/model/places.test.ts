import { describe, expect, it } from "vitest";
import type { PictureView } from "../api/schema";
import { boxOfEntity, isMarked, isObject, partShown, seenIn } from "./places";
import { sampleEntity, sampleRecording } from "./sample";

const view: PictureView = {
  visible: 13,
  center: null,
  tall: 1.7415,
  cells: ["coin", "wall"],
  margin: 0.02,
  background: ["wall", "lava"],
};
const player = sampleEntity(0, { kind: "player", x: 20, y: 50, length: 1, width: 1.2, row: -1 });
const coin = sampleEntity(1, { kind: "coin", x: 26.5, y: 50.5, length: 1, width: 1, row: -1 });
const saw = sampleEntity(2, { kind: "saw", x: 27.1, y: 50, length: 1, width: 1, row: -1 });
const wall = sampleEntity(10000, { kind: "wall", x: 40, y: 50, length: 40, width: 4, row: -1 });
const all = [player, coin, saw, wall];
const recording = sampleRecording({ picture: view });

describe("the picture", () => {
  it("is centred on the player, or stands still", () => {
    expect(partShown(view, all)).toEqual({ x: 13.5, y: 43.5, width: 13, height: 13 });
    const fixed = { ...view, center: [6.5, 6.5] as [number, number] };
    expect(partShown(fixed, all)).toMatchObject({ x: 0, y: 0 });
  });

  it("draws the player taller than its box, on the same ground, and cells with a rim", () => {
    const box = boxOfEntity(view, player);
    expect(box.y + box.height).toBeCloseTo(50.6);
    expect(box.height).toBeCloseTo(1.2 * 1.7415);
    expect(boxOfEntity(view, coin)).toMatchObject({ x: 25.98, width: 1.04 });
    expect(boxOfEntity(view, saw)).toEqual({ x: 26.6, y: 49.5, width: 1, height: 1 });
  });

  it("shows what lies in it, were it by a rim", () => {
    const seen = seenIn(recording, all);
    expect(all.filter(seen).map(({ kind }) => kind)).toEqual(["player", "coin", "wall"]);
    const traffic = [sampleEntity(0), sampleEntity(1, { row: -1 })];
    expect(traffic.map(seenIn(sampleRecording(), traffic))).toEqual([true, false]);
  });
});

it("marks objects unless other kinds are chosen, and moves objects alone", () => {
  const kinds = ["player", "saw", "wall", "lava"];
  expect(kinds.filter(isMarked(recording, null))).toEqual(["player", "saw"]);
  expect(kinds.filter(isMarked(recording, ["wall"]))).toEqual(["wall"]);
  expect(kinds.filter(isMarked(sampleRecording(), ["wall"]))).toEqual(kinds);
  expect([isObject(recording, saw), isObject(recording, wall)]).toEqual([true, false]);
});
