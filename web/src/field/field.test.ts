import { describe, expect, it } from "vitest";
import type { FieldAnswer } from "../api/schema";
import { sampleRecording } from "../model/sample";
import { DEFAULT, type View } from "../state/address";
import {
  arrow,
  chancesOf,
  colourAt,
  digitsOf,
  doneAt,
  placeAt,
  requestOf,
  shareOf,
  whyNoField,
} from "./field";

const game = sampleRecording({
  actions: ["LEFT", "D", "RIGHT", "A"],
  called: ["LEFT", "no-op", "RIGHT", "no-op"],
  idle: ["D", "A"],
  picture: {} as never,
  live: true,
});
const answer = {
  x: [0.5, 1.5, 2.5],
  y: [4.5, 4.5, 4.5],
  low: 1,
  high: 3,
  longest: 0.5,
  policy: true,
  kept: {
    shade: [1, 2, 3],
    push: [],
    chances: [
      [0.5, 0.2, 0.1, 0.2],
      [0.001, 0, 0.999, 0],
      [0, 1, 0, 0],
    ],
  },
  changed: null,
} as unknown as FieldAnswer;

describe("what is asked", () => {
  const view: View = { ...DEFAULT, page: "episode", recording: "rec", episode: 2, field: true };
  const scene = [{ kind: "remove", identity: 3, values: {} }];

  it("counts changes only while they are live", () => {
    const asked = { recording: "rec", episode: 2, step: 7 };
    expect(requestOf({ ...view, live: true, scene }, 7)).toEqual({ ...asked, scene });
    expect(requestOf({ ...view, scene }, 7)).toEqual({ ...asked, scene: [] });
    expect(requestOf({ ...view, field: false }, 7)).toBeNull();
  });

  it("is nothing where there are no cells, and says why where nobody can be asked", () => {
    expect(whyNoField(game, true)).toBeNull();
    expect(whyNoField(game, false)).toBe("");
    expect(whyNoField({ ...game, picture: null }, true)).toBe("");
    expect(whyNoField({ ...game, live: false, live_why: "no engine" }, true)).toBe("no engine");
  });
});

describe("what is drawn", () => {
  it("has colours from the low end over the middle to the high end", () => {
    expect(answer.kept.shade.map((value) => shareOf(answer, value))).toEqual([0, 0.5, 1]);
    expect(shareOf({ ...answer, high: 1 }, 1)).toBe(0.5);
    expect(colourAt(0)).toBe("color-mix(in oklab, var(--field-low) 100%, var(--field-mid))");
    expect(colourAt(0.75)).toBe("color-mix(in oklab, var(--field-high) 50%, var(--field-mid))");
    expect([3, 1.5, 1.05].map((high) => digitsOf({ ...answer, high }))).toEqual([2, 3, 4]);
  });

  it("has arrows through the middle, as long as their push, and none for hardly any", () => {
    const [, from, to] = /^M(\S+ \S+)L(\S+ \S+)M/.exec(arrow(2.5, 4.5, [0, -0.5], 0.5))!;
    expect(from).toBe("2.500 4.850");
    expect(to).toBe("2.500 4.150"); // upwards: y counts down
    const half = /^M(\S+) (\S+)L(\S+)/.exec(arrow(2.5, 4.5, [0.25, 0], 0.5))!;
    expect(Number(half[3]) - Number(half[1])).toBeCloseTo(0.35);
    expect(arrow(0, 0, [0.01, 0], 0.5)).toBe("");
    expect(arrow(0, 0, [0, 0], 0)).toBe("");
  });

  it("tells the place under a point", () => {
    expect(placeAt(answer, 1.9, 4.1)).toBe(1);
    expect(placeAt(answer, 1.9, 5.1)).toBe(-1);
  });
});

describe("what is told", () => {
  it("makes one of all that does nothing", () => {
    const told = chancesOf(game, answer.kept.chances[0]!);
    expect(told.map(({ name }) => name)).toEqual(["LEFT", "no-op", "RIGHT"]);
    expect(told[1]!.chance).toBeCloseTo(0.4);
    expect(doneAt(answer, "kept", 0, game)).toBe("LEFT 0.50, no-op 0.40, RIGHT 0.10");
    expect(doneAt(answer, "kept", 1, game)).toBe("RIGHT 1.00");
  });

  it("tells the preferred action alone where there are no probabilities", () => {
    expect(doneAt({ ...answer, policy: false }, "kept", 2, game)).toBe("no-op");
  });
});
