import { expect, it } from "vitest";
import type { Overlay } from "../model/episode";
import { layersOf } from "../model/layers";
import { sampleOverlay } from "../model/sample";
import { heatLayers, painted, rgb, type Rgb } from "./heat";

function map(values: number[], change: Partial<Overlay["info"]> = {}, layers = 1): Overlay {
  const info = {
    over: "frame" as const,
    layers: Array.from({ length: layers }, (_, i) => `l${i}`),
  };
  const overlay = sampleOverlay(1, { ...info, ...change });
  const shape = [1, layers, 1, values.length / layers];
  return { ...overlay, identity: null, values: { shape, data: Float32Array.from(values) } };
}

const COLOURS: Record<string, Rgb> = {
  "var(--plus)": [0, 0, 200],
  "var(--minus)": [200, 0, 0],
  "var(--head-0)": [0, 100, 0],
  "var(--head-1)": [100, 0, 0],
};
const colourOf = (name: string) => COLOURS[name]!;
const pixel = (pixels: Uint8ClampedArray, i: number) => Array.from(pixels.slice(4 * i, 4 * i + 4));

it("paints numbers as opaque as they are large, nothing where they are nothing", () => {
  const overlay = map([0, 0.5, 1, NaN]);
  const pixels = painted(heatLayers(layersOf([overlay]), [overlay], 0, null), colourOf);
  expect(pixel(pixels, 0)).toEqual([0, 0, 0, 0]);
  expect(pixel(pixels, 3)).toEqual([0, 0, 0, 0]);
  expect(pixel(pixels, 1).slice(0, 3)).toEqual([0, 100, 0]);
  expect([pixel(pixels, 1)[3], pixel(pixels, 2)[3]]).toEqual([108, 217]);
});

it("gives signs their own colours", () => {
  const overlay = { ...map([-1, 1], { signed: true }), low: -1, high: 1 };
  const pixels = painted(heatLayers(layersOf([overlay]), [overlay], 0, null), colourOf);
  expect(pixel(pixels, 0).slice(0, 3)).toEqual([200, 0, 0]);
  expect(pixel(pixels, 1).slice(0, 3)).toEqual([0, 0, 200]);
});

it("lays layers over each other, or shows the lit one alone", () => {
  const overlay = map([1, 0, 1, 1], {}, 2);
  const layers = layersOf([overlay]);
  const both = painted(heatLayers(layers, [overlay], 0, null), colourOf);
  expect(pixel(both, 0)[0]).toBeGreaterThan(pixel(both, 0)[1]!);
  expect(pixel(both, 0)[1]).toBeGreaterThan(0);
  const first = painted(heatLayers(layers, [overlay], 0, 0), colourOf);
  expect(pixel(first, 0).slice(0, 3)).toEqual([0, 100, 0]);
  expect(pixel(first, 1)[3]).toBe(0);
});

it("reads colours of the theme", () => {
  expect(rgb("#0072b2")).toEqual([0, 114, 178]);
  expect(rgb("rgb(1, 2, 3)")).toEqual([1, 2, 3]);
});
