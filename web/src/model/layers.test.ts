import { expect, it } from "vitest";
import { areWeights, layersOf, numbersAt, strength } from "./layers";
import { sampleOverlay } from "./sample";

it("numbers layers through all overlays and names them apart", () => {
  const second = sampleOverlay(1, { name: "effect", layers: ["dQ"], signed: true });
  const layers = layersOf([sampleOverlay(2), second]);
  expect(layers.map(({ index }) => index)).toEqual([0, 1, 2]);
  expect(layers.map(({ name }) => name)).toEqual(["head 0", "head 1", "dQ"]);
  const alike = layersOf([sampleOverlay(1), sampleOverlay(1, { name: "other" })]);
  expect(alike.map(({ name }) => name)).toEqual(["attention head 0", "other head 0"]);
  expect(new Set(layers.map(({ colour }) => colour)).size).toBe(3);
});

it("gives a layer's number by identity, the live ones first", () => {
  const [, head] = layersOf([sampleOverlay(2)]);
  const recorded = numbersAt(head!, 0);
  expect(recorded.get(2)).toBeCloseTo(0.6);
  const live = { attention: { values: [[0.9], [0.3]], identity: [2] } };
  expect([...numbersAt(head!, 0, live)]).toEqual([[2, 0.3]]);
  expect(numbersAt(head!, 99).size).toBe(0);
});

it("leaves out columns that show nobody", () => {
  const overlay = sampleOverlay(1);
  overlay.identity!.data[1] = -1;
  expect([...numbersAt(layersOf([overlay])[0]!, 0).keys()]).toEqual([0, 2]);
});

it("takes only shares between 0 and 1 for weights", () => {
  const overlay = sampleOverlay();
  expect(areWeights(overlay)).toBe(true);
  expect(areWeights({ ...overlay, high: 4 })).toBe(false);
  expect(areWeights(sampleOverlay(1, { signed: true }))).toBe(false);
  expect(areWeights(sampleOverlay(1, { over: "scene" }))).toBe(false);
});

it("measures numbers against the ends of their scale", () => {
  const signed = { ...sampleOverlay(1, { signed: true }), low: -2, high: 1 };
  expect([strength(-2, signed), strength(1, signed), strength(0, signed)]).toEqual([-1, 0.5, 0]);
  const plain = { ...sampleOverlay(1), low: 1, high: 5 };
  expect([strength(5, plain), strength(0, plain)]).toEqual([1, 0]);
});
