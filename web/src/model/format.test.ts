import { expect, test } from "vitest";
import { brief, count, extent, fixed, interval, percent, plural, signed, spread } from "./format";
import {
  actionColour,
  actionDash,
  layerColour,
  outcomeClass,
  outcomeText,
  shortNames,
} from "./palette";

test("a true minus sign, no minus zero, nothing for nothing", () => {
  expect(fixed(-1.234)).toBe("\u22121.23");
  expect(fixed(-0.001)).toBe("0.00");
  expect(fixed(2, 0)).toBe("2");
  expect([null, undefined, NaN, Infinity].map((value) => fixed(value))).toEqual(["", "", "", ""]);
  expect([1.5, -1.5, 0, -0.001].map((value) => signed(value, 1))).toEqual([
    "+1.5",
    "\u22121.5",
    "0.0",
    "0.0",
  ]);
});

test("three digits, or whole from 1000 on, as a change in words has them", () => {
  const numbers = [999.4, 999.6, 1234.7, -123456.7, 2.34567e20, 0.00123456];
  expect(numbers.map(brief)).toEqual([
    "999",
    "1000",
    "1235",
    "\u2212123457",
    "2.35e+20",
    "0.00123",
  ]);
});

test("several of a word", () => {
  expect(["box", "enemy", "key", "saw", "bus", "bench"].map(plural)).toEqual([
    "boxes",
    "enemies",
    "keys",
    "saws",
    "buses",
    "benches",
  ]);
});

test("shares, intervals and counts", () => {
  const estimate = { name: "return", value: 7, low: -6.154, high: 8.14, n: 40 };
  expect(percent(0.126)).toBe("13%");
  expect(interval(estimate)).toBe("\u22126.15 to 8.14");
  expect(interval({ ...estimate, low: null })).toBe("\u2013");
  expect(interval({ ...estimate, low: 0.5, high: 1 }, percent)).toBe("50% to 100%");
  expect(count(1234567)).toBe("1\u202f234\u202f567");
});

test("the extent of numbers is never empty", () => {
  expect(extent([3, null, -1, NaN])).toEqual([-1, 3]);
  expect(extent([2, 2])).toEqual([1.5, 2.5]);
  expect(extent([null])).toEqual([0, 1]);
});

test("colours come round, and dashes tell apart what shares one", () => {
  expect(layerColour(8)).toBe("var(--head-1)");
  const looks = [...Array(15).keys()].map((action) => actionColour(action) + actionDash(action));
  expect(new Set(looks).size).toBe(15);
});

test("short names tell the names apart", () => {
  expect(shortNames(["SLOWER", "IDLE", "FASTER"])).toEqual(["S", "I", "F"]);
  expect(shortNames(["LEFT", "LANE"])).toEqual(["LE", "LA"]);
});

test("outcomes as people read them", () => {
  expect(outcomeText("arrived+timed_out")).toBe("arrived and timed out");
  expect(["arrived", "arrived+crashed", "timed_out"].map(outcomeClass)).toEqual([
    "good",
    "bad",
    "",
  ]);
});

test("a mean of equal episodes has no interval, and that is said", () => {
  const mean = { name: "mean return", value: 10, low: 10, high: 10, n: 3 };
  expect(spread(mean)).toBe("equal in all 3");
  expect(spread({ ...mean, high: 10.5 })).toBe("10.00 to 10.50");
  expect(spread({ ...mean, low: null, high: null })).toBe("\u2013");
});
