import { expect, it } from "vitest";
import type { CheckLine } from "../api/schema";
import { bound, flat, inText, plain, verdict } from "./words";

const check = (passed: boolean): CheckLine => ({
  name: "gap",
  value: 1e-7,
  sense: "at most",
  bound: 1e-5,
  n: 3,
  passed,
});

it("says clearly what failed", () => {
  expect(verdict([check(true)])).toBe("1 check passed");
  expect(verdict([check(true), check(false)])).toBe("1 of 2 checks FAILED");
  expect(bound(check(true))).toBe("at most 1.0e\u22125");
  expect([plain(null), plain(0), plain(-0.98765432)]).toEqual(["none", "0", "\u22120.9877"]);
});

it("puts any parameter in a line", () => {
  expect(inText([1, -2, null])).toBe("1, \u22122, –");
  expect(flat({ level: 0.95, recording: { name: "rec", seed: 0 }, on: true })).toEqual([
    ["level", "0.95"],
    ["recording.name", "rec"],
    ["recording.seed", "0"],
    ["on", "yes"],
  ]);
});
