import { expect, it } from "vitest";
import { sampleEpisode, sampleRecording } from "../model/sample";
import { DEFAULT } from "../state/address";
import { clockSteps, compared, paneStep, swapped } from "./beside";

const main = sampleEpisode();
const detail = { ...main.detail, recording: "other", episode: 0 };
const recording = sampleRecording({ id: "other" });

it("runs until the later of the two has ended", () => {
  const longer = sampleEpisode({ steps: 9 });
  const beside = { recording: "other", episode: 0, shift: 0 };
  expect(clockSteps(main, longer, beside)).toBe(9);
  expect(clockSteps(main, longer, { ...beside, shift: 7 })).toBe(4);
  expect(clockSteps(main, longer, { ...beside, shift: -3 })).toBe(12);
  expect(clockSteps(main, null, beside)).toBe(4);
});

it("keeps the end of an episode in view, and says so", () => {
  expect(paneStep(2, 1, 4)).toEqual({ step: 3, outside: "" });
  expect(paneStep(3, 1, 4)).toEqual({ step: 3, outside: "ended" });
  expect(paneStep(0, -2, 4)).toEqual({ step: 0, outside: "not begun" });
});

it("marks the first different action of one seed", () => {
  const action = { shape: [4], data: Int32Array.from([2, 0, 0, 1]) };
  const found = compared(main, sampleEpisode({ detail, recording, action }), 0)!;
  expect(found.parting).toBe(1);
  expect(found.text).toBe("same world, seed 7; first different action: FASTER or SLOWER");
  expect(compared(main, sampleEpisode({ detail, recording }), 0)!.parting).toBeNull();
});

it("has nothing to say of different seeds, and compares no actions at a shift", () => {
  expect(compared(main, sampleEpisode({ detail: { ...detail, seed: 1 } }), 0)).toBeNull();
  const action = { shape: [4], data: Int32Array.from([0, 0, 0, 1]) };
  expect(compared(main, sampleEpisode({ detail, action }), 1)!.parting).toBeNull();
});

it("knows two steps of one episode", () => {
  expect(compared(main, sampleEpisode(), 1)!.text).toBe("one episode, 1 step apart");
  expect(compared(main, sampleEpisode(), -3)!.text).toBe("one episode, 3 steps apart");
});

it("swaps the panes and keeps the moment of both", () => {
  const view = { ...DEFAULT, recording: "a", episode: 1, step: 5 };
  const beside = { recording: "b", episode: 2, shift: 3 };
  const next = swapped({ ...view, beside });
  expect(next).toMatchObject({ recording: "b", episode: 2, step: 8 });
  expect(next.beside).toEqual({ recording: "a", episode: 1, shift: -3 });
  expect(swapped(view)).toEqual({});
});
