import { describe, expect, it } from "vitest";
import { layersOf } from "../model/layers";
import { sampleEpisode, sampleOverlay } from "../model/sample";
import { marksAt, reachOf } from "./marks";

const entities = sampleEpisode().entities[0]!;

describe("ribbons", () => {
  const { ribbons } = marksAt(layersOf([sampleOverlay(2)]), entities, 0);

  it("go from the ego to each entity, as wide as their weights", () => {
    expect(ribbons.map(({ key }) => key)).toEqual(["0:1", "1:1", "0:2", "1:2"]);
    expect(ribbons[0]!.value).toBeCloseTo(0.2);
    expect(ribbons[0]!.width).toBeCloseTo(0.6);
  });

  it("lie side by side without overlap, centred on the line between the centres", () => {
    const [first, second] = ribbons;
    const gap = Math.hypot(first!.x1 - second!.x1, first!.y1 - second!.y1);
    expect(gap).toBeCloseTo((first!.width + second!.width) / 2);
    const along = [entities[1]!.x - entities[0]!.x, entities[1]!.y - entities[0]!.y];
    const across = [first!.x1 - second!.x1, first!.y1 - second!.y1];
    expect(along[0]! * across[0]! + along[1]! * across[1]!).toBeCloseTo(0);
  });

  it("are left out below one hundredth", () => {
    const live = { attention: { values: [[0.009], [0.5]], identity: [1] } };
    const drawn = marksAt(layersOf([sampleOverlay(2)]), entities, 0, live).ribbons;
    expect(drawn.map(({ key }) => key)).toEqual(["1:1"]);
  });
});

it("draws the ego's weight on itself as rings that do not touch", () => {
  const { rings } = marksAt(layersOf([sampleOverlay(2)]), entities, 0);
  expect(rings.map(({ value }) => Number(value.toFixed(2)))).toEqual([0.1, 0.4]);
  const [inner, outer] = rings;
  expect(outer!.radius - outer!.width / 2).toBeGreaterThan(inner!.radius + inner!.width / 2);
  expect(reachOf(rings)).toBeCloseTo(outer!.radius + outer!.width / 2);
});

it("draws signed numbers as discs under the entities, coloured by sign", () => {
  const overlay = { ...sampleOverlay(1, { signed: true }), low: -1, high: 1 };
  overlay.values.data.set([-0.5, 0.5, 0]);
  const { discs, ribbons } = marksAt(layersOf([overlay]), entities, 0);
  expect(ribbons).toEqual([]);
  expect(discs.map(({ identity, colour }) => [identity, colour])).toEqual([
    [0, "var(--minus)"],
    [1, "var(--plus)"],
  ]);
  expect(discs[0]).toMatchObject({ x: entities[0]!.x, y: entities[0]!.y });
  expect(discs[0]!.radius).toBeCloseTo(discs[1]!.radius);
});

it("draws nothing on entities without an ego to draw from", () => {
  const alone = entities.filter(({ identity }) => identity !== 0);
  const marks = marksAt(layersOf([sampleOverlay(2)]), alone, 0);
  expect([marks.ribbons, marks.rings]).toEqual([[], []]);
});
