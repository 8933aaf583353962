import { expect, it } from "vitest";
import type { ArrayRef } from "../api/schema";
import type { Source } from "../api/source";
import { chunkSteps, framesOf } from "./frames";

const STEPS = 200;
const SIZE = 64 * 64 * 3;
const ref: ArrayRef = {
  name: "obs",
  url: "/arrays",
  dtype: "uint8",
  shape: [STEPS, 64, 64, 3],
  offset: 100,
  bytes: STEPS * SIZE,
};

/** Bytes as a server holds them: each frame filled with its step. */
function served(): { source: Source; ranges: [number, number][] } {
  const ranges: [number, number][] = [];
  const source = {
    bytes: async (_: string, from: number, to: number) => {
      ranges.push([(from - 100) / SIZE, (to - 100) / SIZE]);
      return Uint8Array.from({ length: to - from }, (_, i) => Math.floor((from - 100 + i) / SIZE))
        .buffer;
    },
  } as unknown as Source;
  return { source, ranges };
}

it("gives each step its own picture", async () => {
  const frames = framesOf(served().source, ref);
  for (const step of [0, 43, 130, 199]) {
    const rgb = await frames.at(step);
    expect(rgb.length).toBe(SIZE);
    expect([rgb[0], rgb[SIZE - 1]]).toEqual([step, step]);
  }
});

it("asks for a run of steps once, and for the next run ahead of time", async () => {
  const { source, ranges } = served();
  const frames = framesOf(source, ref);
  const each = chunkSteps(ref);
  await frames.at(0);
  await frames.at(1);
  expect(ranges).toEqual([[0, each]]);
  await frames.at(each - 1);
  expect(ranges).toEqual([
    [0, each],
    [each, 2 * each],
  ]);
});

it("does not ask beyond the end", async () => {
  const { source, ranges } = served();
  await framesOf(source, ref).at(STEPS - 1);
  expect(ranges).toHaveLength(1);
  expect(ranges[0]![1]).toBe(STEPS);
});

it("asks for fewer steps where pictures are large", () => {
  expect(chunkSteps({ ...ref, bytes: STEPS * 2 ** 20 })).toBe(1);
  expect(chunkSteps({ ...ref, bytes: STEPS * 10 })).toBe(64);
});
