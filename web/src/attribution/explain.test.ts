import { describe, expect, it } from "vitest";
import type { AttributionAnswer, TrustFigure } from "../api/schema";
import { numbersAt, layersOf, strength } from "../model/layers";
import { sampleEntity, sampleEpisode, sampleRecording } from "../model/sample";
import { heatLayers } from "../scene/heat";
import { DEFAULT, read, write, type View } from "../state/address";
import {
  barsOf,
  brief,
  chosen,
  explained,
  figureTold,
  neighbours,
  overlayOf,
  questionOf,
  reachOf,
  requestOf,
} from "./explain";

const answer = (change: Partial<AttributionAnswer>) =>
  explained({
    target: "value",
    unit: "return",
    over: "entities",
    shares: [],
    units: 4,
    python: "",
    ...change,
  } as AttributionAnswer);
const vehicles = answer({
  shares: [
    { name: "", identity: 3, value: -2, parts: [-3, 1] },
    { name: "", identity: 0, value: 0.5, parts: [0.25, 0.25] },
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

  it("has full colours at the largest entity, and at all but the largest places of a frame", () => {
    expect(reachOf(vehicles)).toBe(2);
    const map = Array.from({ length: 1000 }, (_, i) => (i % 2 ? -i : i));
    expect(reachOf(answer({ over: "frame", map }))).toBe(995);
    expect([reachOf(answer({})), reachOf(answer({ over: "frame" }))]).toEqual([0, 0]);
  });
});

describe("what is told", () => {
  it("names vehicles, with a share of the largest and the numbers of their rows", () => {
    const { bars, more } = barsOf(vehicles, sampleEpisode(), 0, null);
    expect(bars.map(({ name, share }) => [name, share])).toEqual([
      ["vehicle 3", -1],
      ["ego", 0.25],
    ]);
    expect(bars[0]!.parts).toEqual([
      { name: "x", value: -3 },
      { name: "y", value: 1 },
    ]);
    expect(more).toBe(0);
  });

  it("leaves out objects that are not marked, and scales to those that are", () => {
    const picture = { visible: 9, center: null, cells: [], margin: 0, background: ["wall"] };
    const recording = sampleRecording({ picture: picture as never });
    const episode = sampleEpisode({ recording, entities: [[sampleEntity(4, { kind: "saw" })]] });
    const shares = [
      { name: "wall", identity: 9, value: 8, parts: [] },
      { name: "saw", identity: 4, value: 2, parts: [] },
    ];
    const told = (kinds: string[] | null) =>
      barsOf(answer({ over: "frame", shares }), episode, 0, kinds).bars;
    expect(told(null).map(({ name, share }) => [name, share])).toEqual([["saw 4", 1]]);
    expect(told(["wall"]).map(({ name }) => name)).toEqual(["wall 9"]);
  });

  it("counts the units that are left out", () => {
    const shares = Array.from({ length: 24 }, (_, i) => ({
      name: `[${i}]`,
      value: 24 - i,
      parts: [],
    }));
    const { bars, more } = barsOf(
      answer({ over: "none", shares, units: 64 }),
      sampleEpisode(),
      0,
      null,
    );
    expect([bars.length, more, bars[0]!.name]).toEqual([12, 52, "[0]"]);
  });

  it("writes figures as the command line does", () => {
    const figure = { name: "deletion", n: 9, better: "higher", reading: "" };
    const told = (mean: number | null, low: number | null, high: number | null) =>
      figureTold({ ...figure, mean, low, high } as TrustFigure);
    expect(told(0.21797, 0.1, 0.3004)).toBe("0.218 [0.1, 0.3]");
    expect(told(-0.025, null, null)).toBe("\u22120.025 (one episode)");
    expect(told(null, null, null)).toBe("none");
    expect([brief(-0.00000366), brief(0), brief(1234.5)]).toEqual([
      "\u22123.66e\u22126",
      "0",
      "1230",
    ]);
  });
});
