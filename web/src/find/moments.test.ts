import { describe, expect, test } from "vitest";
import type { Moment, Moments } from "../api/schema";
import {
  brief,
  countsOf,
  indexAt,
  isOnly,
  neighbour,
  offers,
  parts,
  remembered,
  stepsText,
  summary,
  withOnly,
} from "./moments";

const moment = (episode: number, step: number, until = step): Moment => ({
  episode,
  step,
  until,
  number: null,
  outcome: "crashed",
  total: 1,
});
const ORDERED = [moment(0, 2, 4), moment(0, 7), moment(2, 0), moment(2, 5, 9)];
const RANKED = [moment(2, 5), moment(0, 7), moment(0, 2), moment(2, 0)];
const at = (one: Moment | null) => one && [one.episode, one.step];

function answer(change: Partial<Moments> = {}): Moments {
  return {
    query: "step > 0",
    moments: ORDERED,
    found: 4,
    cut: false,
    ranked: false,
    episode: [0, 2],
    count: [2, 2],
    done: 30,
    steps: 30,
    finished: true,
    python: "",
    ...change,
  };
}

describe("where one goes next", () => {
  test("the moment at a step begins there, or holds it", () => {
    expect(indexAt(ORDERED, { episode: 0, step: 2 })).toBe(0);
    expect(indexAt(ORDERED, { episode: 0, step: 4 })).toBe(0);
    expect(indexAt(ORDERED, { episode: 0, step: 5 })).toBe(-1);
    expect(indexAt(ORDERED, { episode: 1, step: 2 })).toBe(-1);
    expect(indexAt([moment(0, 1, 5), moment(0, 3)], { episode: 0, step: 3 })).toBe(1);
  });

  test("from a moment in the order of the list, across episodes, and no further", () => {
    expect(at(neighbour(ORDERED, { episode: 0, step: 7 }, 1))).toEqual([2, 0]);
    expect(at(neighbour(ORDERED, { episode: 2, step: 0 }, -1))).toEqual([0, 7]);
    expect(neighbour(ORDERED, { episode: 2, step: 5 }, 1)).toBeNull();
    expect(neighbour(ORDERED, { episode: 0, step: 2 }, -1)).toBeNull();
    expect(at(neighbour(RANKED, { episode: 0, step: 7 }, 1))).toEqual([0, 2]);
    expect(at(neighbour(RANKED, { episode: 0, step: 7 }, -1))).toEqual([2, 5]);
  });

  test("within a moment back to its first step, and on to the next one", () => {
    expect(at(neighbour(ORDERED, { episode: 2, step: 8 }, -1))).toEqual([2, 5]);
    expect(at(neighbour(ORDERED, { episode: 0, step: 3 }, 1))).toEqual([0, 7]);
  });

  test("from a step between moments in the order of time", () => {
    for (const list of [ORDERED, RANKED]) {
      expect(at(neighbour(list, { episode: 1, step: 3 }, 1))).toEqual([2, 0]);
      expect(at(neighbour(list, { episode: 1, step: 3 }, -1))).toEqual([0, 7]);
      expect(at(neighbour(list, { episode: 0, step: 0 }, 1))).toEqual([0, 2]);
      expect(neighbour(list, { episode: 0, step: 0 }, -1)).toBeNull();
    }
  });

  test("from no episode at an end of the list", () => {
    expect(at(neighbour(RANKED, null, 1))).toEqual([2, 5]);
    expect(at(neighbour(RANKED, null, -1))).toEqual([2, 0]);
    expect(neighbour([], null, 1)).toBeNull();
  });
});

describe("what is told", () => {
  test("how many, in how many episodes, and how far", () => {
    expect(summary(answer(), 60)).toBe("4 moments in 2 of 60 episodes");
    expect(summary(answer({ found: 1, episode: [2], count: [1] }), 60)).toBe(
      "1 moment in 1 of 60 episodes",
    );
    expect(summary(answer({ found: 0, episode: [], count: [] }), 60)).toBe("no moment");
    expect(summary(answer({ done: 29, finished: false }), 60)).toBe(
      "4 moments in 2 of 60 episodes, 96% searched",
    );
    expect(summary(answer({ found: 0, done: 0, steps: 0, finished: false }), 0)).toBe(
      "none yet, 0% searched",
    );
  });

  test("steps and numbers", () => {
    expect([stepsText(moment(0, 3)), stepsText(moment(0, 3, 7))]).toEqual(["3", "3\u20137"]);
    const told = [null, 0, 3, -2.5, 0.012345, 1234567.8, -1e-9].map(brief);
    expect(told).toEqual(["", "0", "3", "\u22122.500", "0.01235", "1.23e+6", "\u22121.00e\u22129"]);
  });

  test("counts of episodes", () => {
    expect([...countsOf(answer())]).toEqual([
      [0, 2],
      [2, 2],
    ]);
  });

  test("the word that is wrong, counted in whole characters", () => {
    expect(parts("valu < 3", { at: 0, length: 4 })).toEqual(["", "valu", " < 3"]);
    expect(parts("\u{1f4a5}\u{1f4a5} > 1", { at: 1, length: 1 })).toEqual([
      "\u{1f4a5}",
      "\u{1f4a5}",
      " > 1",
    ]);
    expect(parts("value", { at: 5, length: 0 })).toEqual(["value", "", ""]);
    expect(parts("v", { at: 9, length: 9 })).toEqual(["v", "", ""]);
  });
});

test("the filter gets and loses the term for episodes with moments", () => {
  expect(withOnly("", true)).toBe("moments>0");
  expect(withOnly("crashed  return<3", true)).toBe("crashed return<3 moments>0");
  expect(withOnly("crashed moments>0", true)).toBe("crashed moments>0");
  expect(withOnly("moments>0 crashed moments>2", false)).toBe("crashed moments>2");
  expect([isOnly("crashed moments>0"), isOnly("moments>05"), isOnly("")]).toEqual([
    true,
    false,
    false,
  ]);
});

test("queries asked before, the latest first, without what was only their beginning", () => {
  let queries: string[] = [];
  for (const query of ["step > 1", "step > 12", " value > 0 ", "", "step > 12"]) {
    queries = remembered(queries, query);
  }
  expect(queries).toEqual(["step > 12", "value > 0"]);
  for (let i = 0; i < 40; i += 1) queries = remembered(queries, `x${i}x`);
  expect(queries).toHaveLength(12);
  expect(queries[0]).toBe("x39x");
});

test("offers: what was asked, then examples, each once and not what stands there", () => {
  const given = offers(["a", "b"], ["b", "c", "d"], " d ");
  expect(given).toEqual([
    { query: "a", recent: true },
    { query: "b", recent: true },
    { query: "c", recent: false },
  ]);
});
