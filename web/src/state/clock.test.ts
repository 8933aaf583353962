import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { clock, drive } from "./clock.svelte";

let frames: Map<number, FrameRequestCallback>;
let now = 0;

beforeEach(() => {
  [frames, now] = [new Map(), 1000];
  let next = 1;
  vi.stubGlobal("requestAnimationFrame", (run: FrameRequestCallback) => {
    frames.set(next, run);
    return next++;
  });
  vi.stubGlobal("cancelAnimationFrame", (id: number) => frames.delete(id));
  clock.speed = 2;
});
afterEach(() => vi.unstubAllGlobals());

function frame(after: number): void {
  now += after;
  const due = [...frames.values()];
  frames.clear();
  for (const run of due) run(now);
}

function player(steps: number, step = 0) {
  const state = { steps, step, ended: 0, given: [] as number[] };
  const stop = drive(
    () => state,
    (to) => state.given.push((state.step = to)),
    () => (state.ended += 1),
  );
  return { state, stop };
}

test("late frames do not add up", () => {
  const { state } = player(100);
  frame(0);
  for (let i = 0; i < 90; i += 1) frame(111);
  expect(state.step).toBe(Math.floor((90 * 111 * 2) / 1000));
});

test("it ends at the last step and asks for no more frames", () => {
  const { state } = player(4, 1);
  frame(0);
  frame(900);
  frame(900);
  expect(state.given).toEqual([2, 3]);
  expect([state.ended, frames.size]).toEqual([1, 0]);
});

test("at the last step it begins anew", () => {
  const { state } = player(4, 3);
  expect(state.given).toEqual([0]);
});

test("another speed and another step count from that moment", () => {
  const { state } = player(100);
  frame(0);
  frame(700);
  expect(state.step).toBe(1);
  clock.speed = 8;
  frame(10);
  frame(500);
  expect(state.step).toBe(5);
  state.step = 50;
  frame(10);
  expect(state.step).toBe(50);
  frame(130);
  expect(state.step).toBe(51);
});

test("time in a hidden tab is not made up for", () => {
  const { state } = player(100);
  frame(0);
  frame(600);
  frame(30_000);
  expect(state.step).toBe(1);
  frame(600);
  expect(state.step).toBe(2);
});

test("stopping asks for no more frames", () => {
  const { stop } = player(100);
  frame(0);
  stop();
  expect(frames.size).toBe(0);
});
