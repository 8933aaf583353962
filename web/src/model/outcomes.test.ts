import { expect, test } from "vitest";
import { frequent, restName, restText } from "./outcomes";

const shares = (values: Record<string, number>) =>
  Object.entries(values).map(([name, value]) => ({ name, value, low: null, high: null, n: 100 }));
const names = (outcomes: { name: string }[]) => outcomes.map(({ name }) => name);

test("the most frequent outcomes are named, in their own order", () => {
  const found = shares({
    coin: 0.3,
    saw: 0.02,
    enemy_left: 0.1,
    lava: 0.05,
    fell: 0.03,
    timed_out: 0.5,
  });
  const { named, rest } = frequent(found);
  expect(names(named)).toEqual(["coin", "enemy_left", "lava", "timed_out"]);
  expect(restText(rest)).toBe("saw 2%, fell 3%");
  expect(restName(rest)).toBe("+2");
  expect(names(frequent(found, 1).named)).toEqual(["timed_out"]);
});

test("what never occurred gives room only where there is too little", () => {
  const three = shares({ arrived: 1, crashed: 0, timed_out: 0 });
  expect(frequent(three)).toEqual({ named: three, rest: [] });
  const five = shares({ coin: 0.25, saw: 0, enemy_left: 0, lava: 0, timed_out: 0.75 });
  expect(names(frequent(five).named)).toEqual(["coin", "timed_out"]);
  expect(restText(frequent(five).rest)).toBe("saw 0%, enemy left 0%, lava 0%");
  expect(restName(frequent(five).rest)).toBe("others 0%");
});

test("equal shares: the earlier ones are named, and the list itself stays", () => {
  const found = shares({ a: 0.2, b: 0.2, c: 0.2, d: 0.2, e: 0.2 });
  expect(names(frequent(found).named)).toEqual(["a", "b", "c", "d"]);
  expect(names(found)).toEqual(["a", "b", "c", "d", "e"]);
});
