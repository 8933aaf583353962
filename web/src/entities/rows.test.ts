import { expect, it } from "vitest";
import { layersOf } from "../model/layers";
import { sampleEpisode, sampleOverlay } from "../model/sample";
import { barOf, entityRows, headNames, history, shortNumber } from "./rows";

const [head] = layersOf([sampleOverlay(2)]);
const signed = layersOf([{ ...sampleOverlay(1, { signed: true }), low: -4, high: 2 }])[0]!;

it("lists entities that some observation shows, and names the others", () => {
  const { rows, never } = entityRows(sampleEpisode());
  expect(rows.map(({ identity }) => identity)).toEqual([0, 1, 2]);
  expect(Array.from(rows[2]!.presence)).toEqual([2, 2, 1, 1]);
  expect(never).toEqual(["3"]);
});

it("names what has no number once", () => {
  const walls = sampleEpisode();
  const [one] = walls.entities[0]!;
  const wall = (identity: number) => ({ ...one!, identity, kind: "wall", row: -1 });
  walls.entities[0] = [one!, wall(10_001), wall(10_002)];
  expect(entityRows(walls).never).toContain("wall");
  expect(entityRows(walls).never.filter((name) => name === "wall")).toHaveLength(1);
});

it("keeps the numbers of every layer over time, none where nothing shows the entity", () => {
  const overlay = sampleOverlay(2);
  overlay.identity!.data[2] = -1;
  const past = history(layersOf([overlay]), 4);
  expect(past.get(2)!.map((line) => Number.isNaN(line[0]!))).toEqual([true, true]);
  expect(past.get(2)![1]![1]).toBeCloseTo(0.6);
});

it("measures bars and writes their numbers", () => {
  expect(barOf(0.25, head!)).toEqual({ share: 0.25, colour: "var(--head-0)", text: ".25" });
  expect(barOf(0.004, head!)).toBeNull();
  expect(barOf(undefined, head!)).toBeNull();
  expect(barOf(-2, signed)).toEqual({ share: 0.5, colour: "var(--minus)", text: "\u22122.00" });
  expect(shortNumber(123.4, signed)).toBe("123");
});

it("shortens names by what they all begin with", () => {
  const layers = layersOf([sampleOverlay(3)]);
  expect(headNames(layers, true)).toEqual(["0", "1", "2"]);
  expect(headNames(layers, false)).toEqual(["head 0", "head 1", "head 2"]);
  const two = layersOf([
    sampleOverlay(1, { layers: ["left"] }),
    sampleOverlay(1, { layers: ["right"] }),
  ]);
  expect(headNames(two, true)).toEqual(["left", "right"]);
});
