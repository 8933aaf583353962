import { describe, expect, it } from "vitest";
import type { AttributionAnswer, TrustFigure } from "../api/schema";
import { brief } from "../model/format";
import { numbersAt, layersOf, strength } from "../model/layers";
import { sampleEpisode, sampleRecording } from "../model/sample";
import { heatLayers } from "../scene/heat";
import { DEFAULT, read, write, type View } from "../state/address";
import {
  barsOf,
  chosen,
  explained,
  figureTold,
  neighbours,
  overlayOf,
  questionOf,
  methodAt,
  reachOf,
  requestOf,
  takesPlace,
  tookText,
  unfit,
} from "./explain";

const answer = (change: Partial<AttributionAnswer>) =>
  explained({
    target: "value",
    unit: "return",
    over: "entities",
    shares: [],
    units: 4,
    adds: true,
    values_unit: "return",
    python: "",
    ...change,
  } as AttributionAnswer);
const vehicles = answer({
  shares: [
    { name: "", identity: 3, value: -2, places: 0, parts: [-3, 1] },
    { name: "", identity: 0, value: 0.5, places: 0, parts: [0.25, 0.25] },
  ],
  parts: ["x", "y"],
});
const frame = answer({ over: "frame", map: [0.5, -1, null, 0], height: 2, width: 2 });

describe("what is asked", () => {
  const view: View = { ...DEFAULT, page: "episode", recording: "rec", episode: 2, tab: "explain" };
  const usual = { method: "integrated_gradients", site: "preprocess", target: "" };

  it("is what the address says, while the tab is open and nothing is changed live", () => {
    const asked = { recording: "rec", episode: 2, step: 7 };
    expect(requestOf(view, 7)).toEqual({ ...asked, ...usual });
    const explain = { method: "gradient", site: "2b.relu", target: "value" };
    expect(requestOf({ ...view, explain }, 7)).toEqual({ ...asked, ...explain });
    expect(requestOf({ ...view, live: true }, 7)).toBeNull();
    expect(requestOf({ ...view, tab: "why" }, 7)).toBeNull();
    expect(questionOf(requestOf(view, 7)!)).toEqual({ recording: "rec", episode: 2, ...usual });
  });

  it("stands in the address, and not where it is the usual", () => {
    const explain = chosen(null, { target: "q[A,B]-value", method: "occlusion" });
    expect(read(write({ ...view, explain })).explain).toEqual(explain);
    expect(chosen(explain, { target: "", method: "integrated_gradients" })).toBeNull();
    expect(write(view)).not.toContain("explain=");
    for (const torn of ["gradient", "gradient,", ",preprocess,", "a,b,c,d"])
      expect(read(`#/recordings/rec/episodes/0?explain=${torn}`).explain).toBeNull();
  });

  it("goes on with the steps ahead, in the way of going", () => {
    expect(neighbours(5, 1, 8)).toEqual([6, 7, 4]);
    expect(neighbours(5, -1, 8)).toEqual([4, 3, 2, 6, 1, 0]);
  });
});

describe("what is drawn", () => {
  it("lies on the entities by identity at the steps that are known", () => {
    const overlay = overlayOf(new Map([[1, vehicles]]), 1, 3, 4)!;
    const [layer] = layersOf([overlay]);
    expect(numbersAt(layer!, 1)).toEqual(
      new Map([
        [3, -2],
        [0, 0.5],
      ]),
    );
    expect(numbersAt(layer!, 0).size + numbersAt(layer!, 2).size).toBe(0);
    expect([strength(-2, overlay), overlay.info.signed]).toEqual([-0.5, true]);
  });

  it("lies on the frame of its own step alone", () => {
    const known = new Map([[5, frame]]);
    const overlay = overlayOf(known, 5, 9, 2)!;
    const heat = (step: number) => heatLayers(layersOf([overlay]), [overlay], step, null);
    expect(heat(5).map(({ values }) => Array.from(values))).toEqual([[0.5, -1, NaN, 0]]);
    expect([heat(0), heat(6), overlayOf(known, 6, 9, 2)]).toEqual([[], [], null]);
  });

  it("is nothing for units that lie on nothing", () => {
    expect(overlayOf(new Map([[0, answer({ over: "none" })]]), 0, 3, 1)).toBeNull();
    expect(overlayOf(new Map(), 0, 3, 1)).toBeNull();
  });

  it("takes the place of chosen overlays where it is drawn, of frames also while it is awaited", () => {
    const known = (change: Partial<AttributionAnswer>) => new Map([[1, answer(change)]]);
    expect(takesPlace(new Map(), false)).toBe(false);
    expect(takesPlace(known({ over: "none" }), false)).toBe(false);
    expect(takesPlace(known({ over: "frame" }), false)).toBe(true);
    expect(takesPlace(known({ over: "frame" }), true)).toBe(false);
    expect(takesPlace(known({ over: "entities" }), true)).toBe(true);
  });

  it("has full colours at the largest entity, and at all but the largest places of a frame", () => {
    expect(reachOf(vehicles)).toBe(2);
    const map = Array.from({ length: 1000 }, (_, i) => (i % 2 ? -i : i));
    expect(reachOf(answer({ over: "frame", map }))).toBe(995);
    expect([reachOf(answer({})), reachOf(answer({ over: "frame" }))]).toEqual([0, 0]);
  });
});

describe("what is told", () => {
  const none = { kinds: null as string[] | null, identity: null as number | null };
  it("names vehicles, with a share of the largest and the numbers of their rows", () => {
    const { bars, head } = barsOf(vehicles, sampleEpisode(), 0, none);
    expect(bars.map(({ name, share }) => [name, share])).toEqual([
      ["vehicle 3", -1],
      ["ego", 0.25],
    ]);
    expect(bars[0]!.parts).toEqual([
      { name: "x", value: -3 },
      { name: "y", value: 1 },
    ]);
    expect(head).toBe("sums over rows, in return");
  });

  it("has no bars of trifles, beside the step's largest or beside the episode's", () => {
    const entity = (identity: number, value: number) => ({
      identity,
      name: "",
      value,
      parts: [],
      places: 0,
    });
    const two = (small: number, large: number) =>
      answer({ over: "entities", shares: [entity(3, large), entity(0, small)] });
    const read = (one: ReturnType<typeof two>, reach?: number) =>
      barsOf(one, sampleEpisode(), 0, none, reach).bars.map((bar) => [
        bar.share.toFixed(3),
        bar.trifle,
      ]);
    expect(read(two(2e-5, 5))).toEqual([
      ["1.000", false],
      ["0.000", true],
    ]);
    expect(read(two(0, 4e-8))[0]).toEqual(["1.000", false]);
    expect(read(two(0, 4e-8), 0.5)).toEqual([
      ["0.000", true],
      ["0.000", false],
    ]);
    expect(read(two(0.1, 0.2), 0.5)[0]).toEqual(["1.000", false]);
  });

  const picture = { visible: 9, center: null, cells: [], margin: 0, background: ["wall", "lava"] };
  const game = sampleEpisode({ recording: sampleRecording({ picture: picture as never }) });
  const box = (name: string, identity: number, value: number, places: number) => ({
    ...{ name, identity, value, places, parts: [] },
  });
  const boxes = [box("wall", 9, 5, 10), box("saw", 4, 2, 4), box("lava", 8, -1, 2)];
  const more = [...boxes, box("wall", 7, 3, 30)];
  const rest = { name: "rest of the picture", value: 1, places: 6, parts: [] };
  const told = (change: Partial<AttributionAnswer>, view = none) =>
    barsOf(answer({ over: "frame", shares: more, rest, ...change }), game, 0, view);
  const named = ({ bars }: ReturnType<typeof told>) =>
    bars.map(({ name, value, identity }) => [name, value, identity]);

  it("accounts for everything: objects that are drawn, kinds that are not, and the rest", () => {
    const found = told({ sum: 10 });
    expect(named(found)).toEqual([
      ["walls, 2 boxes", 8, null],
      ["saw 4", 2, 4],
      ["lava, 1 box", -1, null],
      ["rest of the picture", 1, null],
    ]);
    expect(found.bars.map(({ share }) => share)).toEqual([1, 0.25, -0.125, 0.125]);
    expect([found.head, found.sum]).toEqual(["sums over boxes, in return", 10]);
    const marked = told({ sum: 10 }, { kinds: ["lava"], identity: 9 });
    expect(named(marked)).toEqual([
      ["wall", 5, 9],
      ["walls, 1 box", 3, null],
      ["saws, 1 box", 2, null],
      ["lava", -1, 8],
      ["rest of the picture", 1, null],
    ]);
  });

  it("takes off what boxes that overlap count twice, so that the bars sum to what there is", () => {
    const found = told({ sum: 9.5 });
    expect(named(found).at(-1)).toEqual(["overlaps, taken off", -0.5, null]);
    const many = Array.from({ length: 20 }, (_, i) => box("saw", i + 1, 20 - i, 1));
    const cut = told({ shares: many, sum: 210.5 });
    expect(named(cut).slice(12)).toEqual([
      ["8 smaller", 36, null],
      ["rest of the picture", 1, null],
      ["overlaps, taken off", -0.5, null],
    ]);
    for (const { bars, sum } of [found, cut])
      expect(bars.reduce((total, { value }) => total + value, 0)).toBeCloseTo(sum!);
  });

  it("takes nothing off where there is no box", () => {
    const bare = told({ shares: [], rest: null, sum: 0.0109 });
    expect([bare.bars, bare.sum]).toEqual([[], 0.0109]);
    const whole = { name: "whole picture", value: 0.0109, places: 4096, parts: [] };
    const found = told({ shares: [], rest: whole, sum: 0.0109 });
    expect(named(found)).toEqual([["whole picture", 0.0109, null]]);
    expect(found.bars[0]!.share).toBe(1);
  });

  it("tells a range in the head, and not as a unit", () => {
    const range = told({ adds: false, sum: null, values_unit: "0 to 1" });
    expect(range.head).toBe("means over the places of a box, which do not add up, from 0 to 1");
    expect(range.unit).toBe("");
    const slope = told({ adds: false, values_unit: "return a unit of the input" });
    expect(slope.head).toMatch(/, in return a unit of the input$/);
    expect(slope.unit).toBe("return a unit of the input");
  });

  it("tells means over places where values do not add up, of a kind over all its boxes", () => {
    const found = told({ adds: false, sum: null });
    expect(named(found)).toEqual([
      ["walls, 2 boxes", (5 * 10 + 3 * 30) / 40, null],
      ["saw 4", 2, 4],
      ["lava, 1 box", -1, null],
      ["rest of the picture", 1, null],
    ]);
    expect([found.head, found.sum]).toEqual([
      "means over the places of a box, which do not add up, in return",
      null,
    ]);
  });

  it("takes the units that are left out together, where they add up", () => {
    const shares = Array.from({ length: 24 }, (_, i) => ({
      ...{ name: `[${i}]`, value: 24 - i, places: 0, parts: [] },
    }));
    const others = { name: "other units", value: -3, places: 40, parts: [] };
    const units = (change: Partial<AttributionAnswer>) =>
      barsOf(answer({ over: "none", shares, units: 64, ...change }), game, 0, none);
    const found = units({ rest: others, sum: 297 });
    expect([found.bars.length, found.more, found.bars[0]!.name]).toEqual([13, 0, "[0]"]);
    expect(found.bars[12]).toMatchObject({ name: "52 smaller", value: 78 - 3 });
    const apart = units({ adds: false });
    expect([apart.bars.length, apart.more]).toEqual([12, 52]);
    expect(apart.head).toBe("the largest of 64 units, in return");
  });

  it("keeps the method where it can be asked at another site", () => {
    const refused = { preprocess: { conductance: "it is of a hidden site" }, conv: {} };
    expect(methodAt(refused, "conductance", "conv")).toBe("conductance");
    expect(methodAt(refused, "conductance", "preprocess")).toBe("integrated_gradients");
    expect(methodAt(refused, "blur", "preprocess")).toBe("blur");
    expect(methodAt({}, "blur", "preprocess")).toBe("blur");
  });

  it("tells why a method cannot be asked of a target", () => {
    const needs = {
      sarfa: { kinds: ["q", "logit", "logp"], only: true, why: "it is about an action" },
      gradient: { kinds: ["same"], only: false, why: "the slope is 0" },
    };
    for (const target of ["logp[taken]", "value - 0.5*q [FASTER]", ""])
      expect(unfit(needs, "sarfa", target)).toBeUndefined();
    for (const target of ["value", "site[q][3]", "site[a.logit][0]", "same[policy]"])
      expect(unfit(needs, "sarfa", target)).toBe("it is about an action");
    expect(unfit(needs, "gradient", "value")).toBeUndefined();
    expect(unfit(needs, "gradient", "value-same[policy]")).toBe("the slope is 0");
    expect(unfit(needs, "blur", "same[policy]")).toBeUndefined();
  });

  it("tells times in the unit that suits them", () => {
    expect([94.6, 999.4, 1000, 17622].map(tookText)).toEqual([
      "95 ms",
      "999 ms",
      "1.0 s",
      "17.6 s",
    ]);
  });

  it("writes figures as the command line does", () => {
    const figure = { name: "deletion", n: 9, better: "higher", reading: "" };
    const told = (mean: number | null, low: number | null, high: number | null) =>
      figureTold({ ...figure, mean, low, high } as TrustFigure);
    expect(told(0.21797, 0.1, 0.3004)).toBe("0.218 [0.1, 0.3]");
    expect(told(-0.025, null, null)).toBe("\u22120.025 (one episode)");
    expect(told(null, null, null)).toBe("none");
    expect([brief(-0.00000366), brief(0)]).toEqual(["\u22123.66e\u22126", "0"]);
  });
});
