import { expect, test } from "vitest";
import type { EpisodeTable } from "../api/schema";
import { examples, together } from "./examples";
import { parse } from "./filter";
import { list, neighbour, pressed, readSort } from "./order";

const TABLE: EpisodeTable = {
  episode: [0, 1, 2, 3],
  seed: [10, null, 12, 13],
  outcome: ["arrived", "crashed", "arrived+crashed", "timed_out"],
  total: [9, -3, 7.474, 5],
  steps: [9, 8, 10, 13],
};
const found = (filter: string) => list(TABLE, "episode", filter).rows;

test.each([
  ["", [0, 1, 2, 3]],
  ["crashed", [1, 2]],
  ["CRASH", [1, 2]],
  ["!crashed", [0, 3]],
  ["timed", [3]],
  ["timed_out", [3]],
  ["timedout", [3]],
  ["outcome:arrived", [0, 2]],
  ["outcome:arrived+crashed", [2]],
  ["outcome:arriv", []],
  ["outcome!=arrived", [1, 3]],
  ["!outcome:arrived", [1, 3]],
  ["return<7", [1, 3]],
  ["return<-1", [1]],
  ["return<\u22121", [1]],
  ["return > 7", [0, 2]],
  ["return> 7 steps <10", [0]],
  ["return < \u22121", [1]],
  ["steps != 9 crashed", [1, 2]],
  ["outcome : arrived", [0, 2]],
  ["return=7.47", [2]],
  ["return!=7.47", [0, 1, 3]],
  ["steps>=10", [2, 3]],
  ["steps<=9", [0, 1]],
  ["steps>10", [3]],
  ["seed=12", [2]],
  ["!seed=12", [0, 1, 3]],
  ["seed>0", [0, 2, 3]],
  ["episode!=2", [0, 1, 3]],
  ["  crashed   return>0 ", [2]],
  ["crashed !crashed", []],
])("filter %j", (filter, rows) => {
  expect(parse(filter).problem).toBe("");
  expect(found(filter)).toEqual(rows);
});

test.each([
  ["retrun<3", "\u201cretrun\u201d"],
  ["retrun > 3", "\u201cretrun\u201d"],
  ["return<", "return<"],
  ["return<x", "return<"],
  ["steps>=NaN", "steps>="],
  ["outcome:", "outcome:"],
  ["outcome<3", "outcome:NAME"],
  ["toString<3", "toString"],
  ["!", "!"],
])("%j has a problem that names it, and the other terms still hold", (filter, named) => {
  expect(parse(filter).problem).toContain(named);
  expect(found(`${filter} crashed`)).toEqual([1, 2]);
});

const COINRUN: EpisodeTable = {
  episode: [0, 1, 2, 3, 4],
  seed: [0, 1, 2, 3, 4],
  outcome: ["coin", "timed_out", "coin", "lava", "coin"],
  total: [10, 0, 10, 0, 10],
  steps: [117, 1000, 94, 31, 60],
};
const PENDULUM: EpisodeTable = {
  episode: [0, 1, 2],
  seed: [0, 1, 2],
  outcome: ["truncated", "truncated", "truncated"],
  total: [-1081.6, -1178.99, -1505.17],
  steps: [200, 200, 200],
};

test("the examples that the box shows are of the recording's own outcomes and numbers", () => {
  expect(examples(COINRUN)).toEqual(["lava", "return<10", "steps>=94", "!coin", "outcome:coin"]);
  expect(examples(PENDULUM)).toEqual(["return<-1179", "outcome:truncated"]);
  const close = { ...PENDULUM, total: [0.1234, 0.1266, 0.1299], outcome: ["a b", "", "c:d"] };
  expect(examples(close)).toEqual(["return<0.127"]);
  const none = { episode: [], seed: [], outcome: [], total: [], steps: [] };
  expect(examples(none)).toEqual([]);
});

test("the example in the box lists an episode, whatever its terms", () => {
  expect(together(COINRUN, 1)).toBe("lava");
  expect(together(COINRUN, 3)).toBe("lava return<10 !coin"); // its 31 steps are too few
  expect(list(COINRUN, "episode", together(COINRUN, 3)).rows).toEqual([3]);
  expect(together(PENDULUM, 3)).toBe("return<-1179");
  expect(together({ ...PENDULUM, total: [1, 1, 1] }, 3)).toBe("");
});

test("each example can be read, lists an episode, and most leave one out", () => {
  for (const table of [TABLE, COINRUN, PENDULUM]) {
    for (const example of examples(table)) {
      expect(parse(example).problem).toBe("");
      const { length } = list(table, "episode", example).rows;
      expect(length).toBeGreaterThan(0);
      if (example !== "outcome:truncated") expect(length).toBeLessThan(table.episode.length);
    }
  }
});

test.each([
  ["episode", [0, 1, 2, 3]],
  ["-episode", [3, 2, 1, 0]],
  ["return", [1, 3, 2, 0]],
  ["-return", [0, 2, 3, 1]],
  ["outcome", [0, 2, 1, 3]],
  ["-steps", [3, 2, 0, 1]],
  ["seed", [0, 2, 3, 1]],
  ["-seed", [3, 2, 0, 1]],
  ["nonsense", [0, 1, 2, 3]],
])("sorted by %s; what has no value stands last", (sort, rows) => {
  expect(list(TABLE, sort, "").rows).toEqual(rows);
});

test("a head sorts up, then down, then up", () => {
  expect(pressed("episode", "return")).toBe("return");
  expect(pressed("return", "return")).toBe("-return");
  expect(pressed("-return", "return")).toBe("return");
  expect(readSort("-return")).toEqual({ column: "return", down: true });
});

test("the episode above and below, as listed", () => {
  const rows = [1, 3, 2];
  expect(neighbour(TABLE, rows, 3, 1)).toBe(2);
  expect(neighbour(TABLE, rows, 3, -1)).toBe(1);
  expect(neighbour(TABLE, rows, 2, 1)).toBeNull();
  expect(neighbour(TABLE, rows, 0, 1)).toBe(1);
  expect(neighbour(TABLE, [], 0, 1)).toBeNull();
});

test("ten thousand episodes are sorted and filtered at once", () => {
  const n = 10_000;
  const many = [...Array(n).keys()];
  const table: EpisodeTable = {
    episode: many,
    seed: many,
    outcome: many.map((k) => TABLE.outcome[k % 4]!),
    total: many.map((k) => (k * 7919) % 1000),
    steps: many.map((k) => k % 30),
  };
  const began = performance.now();
  const { rows } = list(table, "-return", "crashed return<500 steps>=10");
  expect(performance.now() - began).toBeLessThan(500);
  expect(rows.length).toBeGreaterThan(100);
  expect(table.total[rows[0]!]).toBeGreaterThan(table.total[rows.at(-1)!]!);
});

test("moments are a column once a query has found some", () => {
  const counts = new Map([
    [1, 3],
    [3, 1],
  ]);
  const rows = (filter: string, sort = "episode") => list(TABLE, sort, filter, counts).rows;
  expect(rows("moments>0")).toEqual([1, 3]);
  expect(rows("moments>=2")).toEqual([1]);
  expect(rows("moments=0")).toEqual([0, 2]);
  expect(rows("!moments>0 return>8")).toEqual([0]);
  expect(rows("", "-moments")).toEqual([1, 3, 0, 2]);
  expect(list(TABLE, "moments", "", null).rows).toEqual([0, 1, 2, 3]);
  expect(parse("moments>0").problem).toContain("once a query finds some");
  expect(parse("moments>x", counts).problem).toContain("moments>");
  expect(found("moments>0")).toEqual([0, 1, 2, 3]);
});
