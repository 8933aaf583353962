import { describe, expect, it, vi } from "vitest";
import type { Client } from "../api/client";
import type { AttributionRequest } from "../api/schema";
import { Explaining } from "./explaining.svelte";

const at = (step: number, change: Partial<AttributionRequest> = {}): AttributionRequest => ({
  recording: "rec",
  episode: 0,
  target: "",
  method: "gradient",
  site: "preprocess",
  step,
  ...change,
});
const none = () => [];

/** A server that answers when it is told to; what it was asked, in order. */
function server(value = (step: number) => step, milliseconds = 1) {
  const asked: number[] = [];
  const waiting: (() => void)[] = [];
  const explain = vi.fn(
    ({ step }: AttributionRequest) =>
      new Promise((done, fail) => {
        asked.push(step);
        waiting.push(() =>
          step === 99
            ? fail(new Error("no step 99"))
            : done({
                over: "entities",
                map: [],
                milliseconds,
                shares: [{ name: "", identity: 0, value: value(step) }],
              }),
        );
      }),
  );
  const answer = async () => {
    waiting.shift()!();
    await new Promise((done) => setTimeout(done, 0));
  };
  return { api: { explain } as unknown as Client, asked, answer };
}

describe("explanations of steps", () => {
  it("are asked one at a time, and what was passed over is never asked", async () => {
    const { api, asked, answer } = server();
    const one = new Explaining(undefined, none);
    for (let step = 0; step < 50; step += 1) one.show(api, at(step), 100);
    expect(asked).toEqual([0]);
    await answer();
    expect(asked).toEqual([0, 49]);
    await answer();
    expect(asked).toEqual([0, 49]);
    expect([one.of(at(49)), one.of(at(0))].map((got) => got?.shares[0]!.value)).toEqual([49, 0]);
    one.show(api, at(0), 100);
    expect(asked).toEqual([0, 49]);
  });

  it("of neighbours are asked while idle, and give way to the step that is shown", async () => {
    const { api, asked, answer } = server();
    const one = new Explaining();
    one.show(api, at(5), 100);
    await answer();
    expect(asked).toEqual([5, 6]);
    one.show(api, at(20), 100);
    one.show(api, at(21), 100);
    await answer(); // of 6, which was on its way
    expect(asked).toEqual([5, 6, 21]);
    await answer();
    expect(asked).toEqual([5, 6, 21, 22]);
    one.drop();
    await answer();
    expect(asked).toEqual([5, 6, 21, 22]);
  });

  it("that take long are asked for the step that is shown alone", async () => {
    for (const [took, wanted] of [
      [2001, [5]],
      [2000, [5, 6]],
    ] as const) {
      const { api, asked, answer } = server(undefined, took);
      new Explaining().show(api, at(5), 100);
      await answer();
      expect(asked).toEqual(wanted);
    }
  });

  it("have one scale for all episodes, which grows with what is shown and never shrinks", async () => {
    const { api, answer } = server((step) => [3, -5, 1, 40][step]!);
    const one = new Explaining(undefined, () => [3]);
    expect(one.reach(at(0))).toBe(1);
    for (const [step, reach] of [
      [0, 3],
      [1, 5],
      [2, 5],
    ] as const) {
      one.show(api, at(step), 4);
      await answer();
      await answer().catch(() => undefined); // the neighbour, which nobody looks at
      expect(one.reach(at(step))).toBe(reach);
    }
    expect(one.reach(at(0, { episode: 7 }))).toBe(5);
    expect(one.reach(at(0, { target: "value" }))).toBe(1);
    one.grow(at(0), 9);
    one.grow(at(0), 4);
    expect(one.reach(at(0))).toBe(9);
  });

  it("that cannot be had say why, and are not asked for again and again", async () => {
    const { api, asked, answer } = server();
    const one = new Explaining(undefined, none);
    one.show(api, at(99), 100);
    await answer();
    expect([one.failure(at(99)), one.failure(at(1))]).toEqual(["no step 99", null]);
    one.show(api, at(99), 100);
    expect(asked).toEqual([99]);
    one.show(api, at(1), 100);
    await answer();
    expect(one.failure(at(99))).toBeNull();
  });

  it("are kept up to a size, the newest last, and forgotten when they are told to", async () => {
    const { api, asked, answer } = server();
    const one = new Explaining(3 * 4196, none);
    for (const step of [1, 2, 3, 4]) {
      one.show(api, at(step), 100);
      await answer();
    }
    expect([...one.all(at(0)).keys()]).toEqual([2, 3, 4]);
    one.forget();
    one.show(api, at(4), 100);
    expect(asked).toEqual([1, 2, 3, 4, 4]);
  });
});
