import { expect, test } from "vitest";
import { Queue } from "./queue";
import { scrollTo, span } from "./span";
import { box, lanes, line } from "./thumb";

test("only rows in view and a few around them are drawn", () => {
  expect(span(0, 440, 44, 10_000)).toEqual({ from: 0, to: 18 });
  expect(span(44_000, 440, 44, 10_000)).toEqual({ from: 992, to: 1018 });
  expect(span(1e9, 440, 44, 100)).toEqual({ from: 100, to: 100 });
  expect(span(0, 440, 44, 0)).toEqual({ from: 0, to: 0 });
});

test("a row is brought into view, no further than needed", () => {
  expect(scrollTo(5, 0, 440, 44)).toBe(0);
  expect(scrollTo(20, 0, 440, 44)).toBe(21 * 44 - 440);
  expect(scrollTo(2, 440, 440, 44)).toBe(88);
});

test("at most so many requests at once, the latest first, none for rows that left", async () => {
  const queue = new Queue(2);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const stops = [...Array(6)].map(() => new AbortController());
  const answers = stops.map((stop, k) =>
    queue
      .add(() => {
        begun.push(k);
        return new Promise<number>((resolve) => ends.push(() => resolve(k)));
      }, stop.signal)
      .catch((error: DOMException) => error.name),
  );
  expect(begun).toEqual([0, 1]);
  stops[4]!.abort();
  while (ends.length) {
    ends.shift()!();
    await new Promise((resolve) => setTimeout(resolve));
  }
  expect(begun).toEqual([0, 1, 5, 3, 2]);
  expect(await Promise.all(answers)).toEqual([0, 1, 2, 3, "AbortError", 5]);
});

test("a thumbnail shows the path, in the shape of its place", () => {
  const { text, unit } = box(
    [
      [0, 0],
      [40, -20],
    ],
    [-100, -100, 100, 100],
  );
  const [x, y, width, height] = text.split(" ").map(Number) as [number, number, number, number];
  expect(width / height).toBeCloseTo(64 / 36, 1);
  expect(x).toBeLessThan(0);
  expect(x + width).toBeGreaterThan(40);
  expect(y).toBeLessThan(-20);
  expect(y + height).toBeGreaterThan(0);
  expect(unit).toBeCloseTo(width / 64, 2);
});

test("one point is a dot and no lane is no road", () => {
  expect(line([[1, 2]])).toBe("M1.0 2.0L1.0 2.0");
  expect(lanes(null)).toEqual([]);
  expect(lanes({ lanes: [null, { points: [[0, 0]] }, { points: "x", width: 1 }] })).toEqual([]);
});
