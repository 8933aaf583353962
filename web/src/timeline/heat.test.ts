import { describe, expect, test } from "vitest";
import { byIdentity, emptyHeat, fill, labelledRows, MOST_UNITS, rowAxis, unitIndex, unitTarget } from "./heat"; // prettier-ignore

function grid(shape: number[], of: (i: number) => number) {
  const size = shape.reduce((a, b) => a * b, 1);
  return { shape, data: Float32Array.from({ length: size }, (_, i) => of(i)) };
}

describe("filling", () => {
  test("blocks give what all at once would", () => {
    const all = grid([5, 2, 3], (i) => i - 9);
    const [once, twice] = [emptyHeat(5, [2, 3]), emptyHeat(5, [2, 3])];
    fill(once, all, 0);
    fill(twice, { shape: [2, 2, 3], data: all.data.subarray(0, 12) }, 0);
    fill(twice, { shape: [3, 2, 3], data: all.data.subarray(12) }, 2);
    expect([...twice.values]).toEqual([...all.data]);
    expect(twice).toEqual(once);
    expect([once.low, once.high]).toEqual([-9, 20]);
  });
  test("many units are pooled by their strongest, with its sign and its number", () => {
    const units = 4 * MOST_UNITS;
    const block = grid([2, units], () => 0.5);
    block.data[1000] = -3;
    block.data[units + 7] = 2;
    const heat = emptyHeat(2, [units]);
    fill(heat, block, 0);
    expect(heat.rows).toBeLessThan(MOST_UNITS);
    const row = Math.floor((1000 * heat.rows) / units);
    expect(heat.values[row]).toBe(-3);
    expect(heat.unit![row]).toBe(1000);
    expect(heat.unit![heat.rows]).toBe(7);
    expect(heat.values.filter((value) => value !== 0.5)).toHaveLength(2);
    expect([heat.low, heat.high]).toEqual([-3, 2]);
  });
  test("every row of a pooled map has a unit", () => {
    const heat = emptyHeat(1, [MOST_UNITS + 1]);
    fill(
      heat,
      grid([1, MOST_UNITS + 1], (i) => i),
      0,
    );
    expect([...heat.values].some(Number.isNaN)).toBe(false);
  });
});

describe("by identity", () => {
  test("who changes rows keeps one line; who is not shown has none", () => {
    const heat = emptyHeat(2, [2, 3]);
    fill(
      heat,
      grid([2, 2, 3], (i) => i),
      0,
    );
    const who = { shape: [2, 3], data: Int32Array.from([0, 7, -1, 0, 4, 7]) };
    const { heat: turned, identities } = byIdentity(heat, 1, who);
    expect(identities).toEqual([0, 4, 7]);
    expect(turned.shape).toEqual([2, 3]);
    expect([...turned.values]).toEqual([0, NaN, 1, 3, NaN, 4, 6, 7, 8, 9, 10, 11]);
  });
  test("an axis before others moves them together", () => {
    const heat = emptyHeat(1, [2, 2]);
    fill(
      heat,
      grid([1, 2, 2], (i) => i),
      0,
    );
    const who = { shape: [1, 2], data: Int32Array.from([5, 3]) };
    expect([...byIdentity(heat, 0, who).heat.values]).toEqual([2, 3, 0, 1]);
  });
  test("only where an axis is as long as the observation has rows", () => {
    expect(rowAxis([4, 1, 15], 15)).toBe(2);
    expect(rowAxis([64], 15)).toBe(-1);
    expect(rowAxis([1, 64], 1)).toBe(-1);
  });
});

test("a unit's index reads as a target", () => {
  expect(unitIndex([4, 1, 15], 3 * 15 + 2)).toEqual([3, 0, 2]);
  expect(unitTarget("attention.pattern", [4, 1, 15], 47)).toBe("site[attention.pattern][3,0,2]");
});

describe("labels of rows", () => {
  test.each([
    [6, 3, 80],
    [36, 9, 192],
    [64, 64, 192],
    [192, 0, 192],
    [60, 15, 100],
  ])("%d rows in runs of %d on %d pixels do not overlap", (rows, run, height) => {
    const found = labelledRows(rows, run, height);
    const gaps = found.slice(1).map((row, i) => ((row - found[i]!) / rows) * height);
    expect(found[0]).toBe(0);
    expect(found.length).toBeGreaterThan(1);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(13);
  });
  test("each run begins with a label", () => {
    expect(labelledRows(36, 9, 192)).toEqual(expect.arrayContaining([0, 9, 18, 27]));
  });
});
