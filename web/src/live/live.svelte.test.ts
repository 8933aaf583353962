import { flushSync } from "svelte";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Failure } from "../api/source";
import { shown } from "../state/view.svelte";
import { liveServer, type Asked } from "./fixture";
import { live } from "./live.svelte";

let server: Asked;
let end: () => void = () => undefined;
let recording = 0; // each test has its own, as the live view remembers the changes of steps

function open(step: number): void {
  shown.go({ step });
  live.open(server.api, { recording: shown.now.recording, episode: 0, step });
  flushSync();
}
const wait = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
  server = liveServer(({ scene }) =>
    scene?.some(({ identity }) => identity === 99)
      ? new Failure("no entity 99; there are 0, 3", "unknown_name", 404)
      : null,
  );
  live.pinned = false;
  shown.go({
    page: "episode",
    recording: `rec${(recording += 1)}`,
    episode: 0,
    step: 0,
    targets: [],
  });
  end = $effect.root(() => {
    $effect(() => live.ask()); // as LivePanel does
  });
  open(0);
});
afterEach(() => {
  end();
  live.close();
  vi.useRealTimers();
});

it("asks nothing while scrubbing without changes, and once when at rest", async () => {
  for (const step of [1, 2, 3]) {
    await wait(50);
    open(step);
  }
  expect(server.questions).toEqual([]);
  await wait(1000);
  expect(server.questions.map(({ step }) => step)).toEqual([3]);
  expect(live.answer?.action).toEqual([0]);
});

it("puts a drag in the address as one change and asks for its end", async () => {
  for (let x = 0; x <= 20; x += 1) {
    live.moveEntity(3, x, 0, 0);
    flushSync();
  }
  await wait();
  expect(shown.now.scene).toEqual([
    { kind: "move", identity: 3, values: { x: 20, y: 0, heading: 0 } },
  ]);
  expect(server.questions.length).toBe(2);
  expect(server.questions.at(-1)!.scene![0]!.values).toMatchObject({ x: 20 });
  expect(live.answer?.action).toEqual([1]);
  live.undo();
  flushSync();
  expect(shown.now.scene).toEqual([]);
  expect(live.undoable).toBe(false);
  expect(live.answer).toBeNull(); // the answer to a change does not stand for what is unchanged
});

it("keeps the changes of a step while another one is shown", async () => {
  live.setSpeed(3, 1);
  flushSync();
  open(1);
  expect(shown.now.scene).toEqual([]);
  expect(live.answer).toBeNull();
  live.setObservation([0, 1], 0.7);
  flushSync();
  open(0);
  expect(shown.now.scene).toHaveLength(1);
  expect(shown.now.observation).toEqual([]);
  open(1);
  expect(shown.now.observation).toEqual([{ index: [0, 1], value: 0.7 }]);
  expect(live.undoable).toBe(true);
});

it("takes the changes along where they are pinned", async () => {
  live.setSpeed(3, 1);
  live.pinned = true;
  flushSync();
  open(1);
  await wait();
  expect(shown.now.scene).toHaveLength(1);
  expect(server.questions.at(-1)).toMatchObject({ step: 1, scene: [{ kind: "speed" }] });
  live.undo();
  expect(shown.now.scene).toEqual([]);
});

it("shows what the address says, not what the step had", () => {
  live.setSpeed(3, 1);
  flushSync();
  const scene = [{ kind: "remove", identity: 3, values: {} }];
  shown.go({ step: 1, scene });
  open(1);
  expect(shown.now.scene).toEqual(scene);
  open(0);
  expect(shown.now.scene[0]!.kind).toBe("speed");
});

it("changes nothing once it is closed, and is as it was when opened again", () => {
  live.remove(3);
  flushSync();
  live.close();
  flushSync();
  expect(shown.now.scene).toEqual([]);
  open(1);
  expect(shown.now.scene).toEqual([]);
  live.close();
  open(0);
  expect(shown.now.scene).toHaveLength(1);
});

it("tells what the server refuses, until the change is taken back", async () => {
  live.setSpeed(99, 1);
  flushSync();
  await wait();
  expect(live.failure).toBe("no entity 99; there are 0, 3");
  expect(live.answer).toBeNull();
  live.reset();
  flushSync();
  expect(live.failure).toBeNull();
  live.undo();
  expect(shown.now.scene).toHaveLength(1);
});

it("adds a target only once the server has read it", async () => {
  server = liveServer(({ targets }) =>
    targets?.includes("q[NO]") ? new Failure("no action 'NO'", "unknown_name", 404) : null,
  );
  open(1);
  expect(await live.addTarget(" q[NO] ")).toBe("no action 'NO'");
  expect(shown.now.targets).toEqual([]);
  expect(await live.addTarget(" value ")).toBeNull();
  expect(shown.now.targets).toEqual(["value"]);
  expect(await live.addTarget("value")).toContain("in the list");
  flushSync();
  await wait();
  expect(live.answer?.targets).toEqual([{ target: "value", recorded: 1, value: 1 }]);
  live.removeTarget("value");
  expect(shown.now.targets).toEqual([]);
});
