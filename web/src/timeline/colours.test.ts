import { expect, test } from "vitest";
import { colourTable, level, mix, position, rgb, scaleOf, type Rgb } from "./colours";

const [GREY, BLUE, ORANGE]: Rgb[] = [[200, 200, 200], [0, 114, 178], [213, 94, 0]]; // prettier-ignore

test("colours of the theme are read", () => {
  expect(rgb("#0072b2")).toEqual([0, 114, 178]);
  expect(rgb(" #fff ")).toEqual([255, 255, 255]);
});

test("zero is the middle where values have both signs, and both ends are alike", () => {
  expect(scaleOf(-1, 4)).toEqual({ signed: true, low: -4, high: 4 });
  expect(scaleOf(-9, -4)).toEqual({ signed: true, low: -9, high: 9 });
  expect(scaleOf(0.5, 4)).toEqual({ signed: false, low: 0, high: 4 });
  expect(scaleOf(Infinity, -Infinity)).toEqual({ signed: false, low: 0, high: 1 });
});

test("positions reach from -1 to 1", () => {
  const scale = scaleOf(-2, 4);
  expect([-4, -2, 0, 4, 9].map((value) => position(value, scale))).toEqual([-1, -0.5, 0, 1, 1]);
});

test("the table runs from one colour over zero's to the other", () => {
  const table = colourTable(GREY!, BLUE!, ORANGE!);
  const at = (place: number) => [0, 8, 16].map((shift) => (table[level(place)]! >> shift) & 255);
  expect(at(-1)).toEqual(ORANGE);
  expect(at(0)).toEqual(GREY);
  expect(at(1)).toEqual(BLUE);
  expect(at(0.5)).toEqual(mix(GREY!, BLUE!, 0.5));
  expect(table[level(0.3)]! >>> 24).toBe(255);
});
