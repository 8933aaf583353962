import { describe, expect, test } from "vitest";
import { following, fractionOf, labelled, stepAt, within, zoomed } from "./axis";

describe("steps under the pointer", () => {
  const whole = { from: 0, to: 13 };
  test("a step fills its own part of the axis", () => {
    expect(stepAt(whole, 13, 0)).toBe(0);
    expect(stepAt(whole, 13, 3.99 / 13)).toBe(3);
    expect(stepAt(whole, 13, 4 / 13 + 1e-9)).toBe(4);
    expect(fractionOf(whole, 4)).toBeCloseTo(4 / 13);
  });
  test("outside of the plot the first and the last step are meant", () => {
    expect(stepAt(whole, 13, -0.2)).toBe(0);
    expect(stepAt(whole, 13, 1.7)).toBe(12);
  });
});

describe("zoom", () => {
  test("what lies under the pointer stays there", () => {
    const range = zoomed({ from: 100, to: 300 }, 1000, 0.5, 0.25);
    expect(range).toEqual({ from: 125, to: 225 });
    expect(fractionOf(range, 150)).toBeCloseTo(0.25);
  });
  test("never beyond the episode, never below four steps", () => {
    expect(zoomed({ from: 0, to: 50 }, 100, 10, 0.9)).toEqual({ from: 0, to: 100 });
    expect(zoomed({ from: 10, to: 20 }, 100, 0.01, 0)).toEqual({ from: 10, to: 14 });
    expect(within(3, 0, 1)).toEqual({ from: 0, to: 3 });
    expect(within(100, 95, 20)).toEqual({ from: 80, to: 100 });
  });
  test("the range follows a step that leaves it, and stays where it does not", () => {
    const range = { from: 100, to: 200 };
    expect(following(range, 1000, 150)).toBe(range);
    expect(following(range, 1000, 200)).toEqual({ from: 190, to: 290 });
    const back = following(range, 1000, 99);
    expect(back.from).toBeLessThanOrEqual(99);
    expect(back.to).toBeGreaterThanOrEqual(100);
  });
});

describe("labels", () => {
  test("every step where there is room", () => {
    expect(labelled({ from: 0, to: 5 }, 400)).toEqual([0, 1, 2, 3, 4]);
  });
  test.each([30, 126, 1000, 4321, 100_000])("%d steps: apart, round, and not too few", (steps) => {
    const width = 500;
    const found = labelled({ from: 0, to: steps }, width);
    const stride = found[1]! - found[0]!;
    const room = String(steps).length * 7 + 6;
    expect((stride / steps) * width).toBeGreaterThanOrEqual(room - 1e-9);
    expect(String(stride)).toMatch(/^[125]0*$/);
    expect(found.length).toBeGreaterThan(width / room / 3);
  });
  test("multiples of the stride in a part of the episode", () => {
    expect(labelled({ from: 1195.6, to: 1225 }, 300)).toEqual([1200, 1205, 1210, 1215, 1220]);
  });
});
