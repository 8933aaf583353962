import { expect, it } from "vitest";
import type { LiveAnswer } from "../api/schema";
import type { Episode } from "../model/episode";
import { liveAnswer, smallEpisode } from "./fixture";
import { observationTable, short, stride, typed } from "./observation";
import { along, decided, scores, softmax, whyNot } from "./scores";

const question = { recording: "rec", episode: 0, step: 0 };
const changed = liveAnswer({ ...question, observation: [{ index: [0, 1], value: 1 }] } as never);

it("shows what was recorded until there is an answer", () => {
  const before = scores(smallEpisode(), 1, null)!;
  expect(before.rows).toEqual([
    { name: "SLOWER", actions: [0], recorded: 1, now: 1 },
    { name: "FASTER", actions: [1], recorded: 2, now: 2 },
  ]);
  expect(decided(smallEpisode(), 1, null)).toEqual({
    recorded: "FASTER",
    now: "FASTER",
    index: 1,
    flips: false,
    executed: null,
  });
});

it("compares with the most likely recorded action, not with the one drawn or forced", () => {
  const same = liveAnswer({ ...question } as never);
  const sampled = { ...same, action: [0], recorded_action: [1], recorded_best: [0] };
  const drawn = decided(smallEpisode(), 0, sampled);
  expect(drawn).toEqual({
    recorded: "SLOWER",
    now: "SLOWER",
    index: 0,
    flips: false,
    executed: "drawn: FASTER",
  });
  const forced = { ...smallEpisode(), forced: [0] };
  expect(decided(forced, 0, sampled).executed).toBe("forced: FASTER");
  expect(decided(smallEpisode(), 0, { ...sampled, action: [1] }).flips).toBe(true);
});

it("puts recorded and now on one scale, around the mean that was recorded", () => {
  const found = scores(smallEpisode(), 0, changed)!;
  expect([found.title, found.low, found.high]).toEqual(["Q-values", -0.5, 3.5]);
  expect(found.axis).toEqual({ at: 1.5, name: "mean 1.5" });
  expect(found.rows[1]).toEqual({ name: "FASTER", actions: [1], recorded: 1, now: 3.5 });
  expect(decided(smallEpisode(), 0, changed)).toMatchObject({ now: "FASTER", flips: true });
  expect([along(1, 1, 3.5), along(3.5, 1, 3.5), along(9, 1, 3.5)]).toEqual([0, 100, 100]);
});

it("shows logits as probabilities", () => {
  expect(softmax([0, 0, 1000])).toEqual([0, 0, 1]);
  const episode = smallEpisode({ deciding: "logits" });
  episode.outputs = { logits: episode.outputs["q"]! };
  const found = scores(episode, 0, null)!;
  expect([found.title, found.low, found.high]).toEqual(["probabilities", 0, 1]);
  expect(found.axis).toEqual({ at: 0, name: "0" });
  expect(found.rows[0]!.now + found.rows[1]!.now).toBeCloseTo(1);
});

it("adds up the probabilities of actions that do nothing, and takes one for another", () => {
  const episode = smallEpisode({
    actions: ["LEFT", "IDLE", "D"],
    called: ["LEFT", "no-op", "no-op"],
    idle: ["IDLE", "D"],
    deciding: "logits",
  });
  const logits = [Math.log(2), Math.log(5), Math.log(3)];
  const answer = {
    ...liveAnswer({ ...question } as never),
    ...{ outputs: { logits }, recorded_outputs: { logits: [0, 0, 0] } },
    ...{ action: [1], recorded_action: [2], recorded_best: [2] },
  } as LiveAnswer;
  const { rows } = scores(episode, 0, answer)!;
  expect(rows.map(({ name }) => name)).toEqual(["LEFT", "no-op \u00d72"]);
  expect(rows[1]!.actions).toEqual([1, 2]);
  expect(rows[1]!.recorded).toBeCloseTo(2 / 3);
  expect(rows[1]!.now).toBeCloseTo(0.8);
  expect(decided(episode, 0, answer)).toMatchObject({
    now: "no-op",
    recorded: "no-op",
    flips: false,
  });
  expect(decided(episode, 0, { ...answer, action: [0] }).flips).toBe(true);
});

it("shows the parts of a continuous action", () => {
  const episode = smallEpisode({ deciding: null, actions: [] });
  episode.outputs = { mean: { shape: [2, 2], data: Float32Array.of(0, 1, 2, 3) } };
  const answer = {
    ...changed,
    outputs: { mean: [0.5, 1] },
    recorded_outputs: { mean: [0, 1] },
    action: [0.5, 1],
    recorded_action: [0, 1],
    recorded_best: [0, 1],
  } as LiveAnswer;
  const found = scores(episode as Episode, 0, answer)!;
  expect([found.low, found.axis, found.high]).toEqual([-1, { at: 0, name: "0" }, 1]);
  expect(found.rows[0]).toEqual({
    name: "mean[0]",
    actions: [0],
    recorded: 0,
    now: 0.5,
  });
  expect(decided(episode, 0, answer).flips).toBe(true);
  expect(decided(episode, 0, { ...answer, action: [1e-9, 1] }).flips).toBe(false);
});

it("says why it cannot be had", () => {
  const { recording } = smallEpisode({ live: false, live_why: "the recording holds no agent" });
  expect(whyNot(recording, true)).toBe("the recording holds no agent");
  expect(whyNot(smallEpisode().recording, false)).toContain("exported");
  expect(whyNot(smallEpisode().recording, true)).toBeNull();
});

it("lists rows that show someone, and marks what was set and what follows", () => {
  const answer = {
    ...changed,
    observation: [
      [0, 0.5],
      [0.3, -0.5],
      [0, 0],
    ],
  };
  const table = observationTable(smallEpisode(), 0, answer, [{ index: [0, 1], value: 1 }])!;
  expect(table.lines.map(({ name }) => name)).toEqual(["ego", "3"]);
  expect(table.empty).toBe(1);
  expect(table.lines[0]!.cells[1]).toEqual({ index: [0, 1], recorded: 0.5, now: 1, set: true });
  expect(table.lines[1]!.cells[0]).toMatchObject({ recorded: 0.25, now: 0.3, set: false });
});

it("shows a row that showed nobody once it is set, and a flat observation line by line", () => {
  const table = observationTable(smallEpisode(), 0, null, [{ index: [2, 0], value: 1 }])!;
  expect(table.lines.at(-1)).toMatchObject({ name: "row 2", identity: null });
  const flat = smallEpisode({ obs_shape: [6], features: ["a", "b", "c", "d", "e", "f"] });
  const lines = observationTable(flat, 0, null, [])!.lines;
  expect(lines.map(({ name }) => name)).toEqual(["a", "b", "c", "d", "e", "f"]);
  expect(lines[3]!.cells[0]).toMatchObject({ index: [3], now: -0.5 });
  expect(observationTable(smallEpisode({ frames: true }), 0, null, [])).toBeNull();
});

it("reads and writes numbers as people do", () => {
  expect([typed("\u22120,5"), typed(" 3 "), typed(""), typed("x")]).toEqual([-0.5, 3, null, null]);
  expect([short(-0.123456), short(123.456), short(0)]).toEqual(["\u22120.123", "123.5", "0"]);
  expect([stride(0.3, false), stride(0.3, true), stride(240, false)]).toEqual([0.01, 0.1, 1]);
});
