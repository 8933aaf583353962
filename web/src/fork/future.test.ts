import { describe, expect, it } from "vitest";
import type { ForkAnswer, ForkSide } from "../api/schema";
import { sampleEpisode, STEPS } from "../model/sample";
import { DEFAULT, read, write, type View } from "../state/address";
import { changed } from "../state/place";
import {
  endText,
  futureSteps,
  momentText,
  outcomeCounts,
  pairLane,
  partingText,
  requestOf,
  returnsOf,
  sameFork,
  sideStep,
  valuesOf,
} from "./future";

const scene = [{ kind: "remove", values: {}, identity: 7 }];
const place: View = {
  ...DEFAULT,
  page: "episode",
  recording: "rec",
  episode: 3,
  step: 9,
  fork: { step: 4, pairs: 5, scene, edits: [], during: null },
};
const longer = sampleEpisode();
const shorter = sampleEpisode({
  steps: 3,
  action: { shape: [3], data: Int32Array.from([2, 2, 1]) },
  reward: { shape: [3], data: Float32Array.from([1, 0.5, -2]) },
  outputs: { value: { shape: [3], data: Float32Array.from([5, 4, 3]) } },
});
const futures = { kept: longer, changed: shorter };

describe("the fork in the address", () => {
  it("comes back, and is what the server is asked", () => {
    const hash = write(place);
    expect(hash).toContain("fork=4,5,");
    expect(read(hash)).toEqual(place);
    const asked = { recording: "rec", episode: 3, step: 4, pairs: 5, scene, null: 20 };
    expect(requestOf(place)).toEqual({ ...asked, edits: [], during: null });
    expect(requestOf({ ...place, fork: null })).toBeNull();
    expect(requestOf({ ...place, page: "steps" })).toBeNull();
    expect(requestOf({ ...place, fork: { ...place.fork!, scene: [] } })).toBeNull();
  });

  it("has changes of activations too, with how long they last", () => {
    const edits = ["clamp gru.memory[3]=0.5, 1", "zero a[1,2]"];
    for (const during of [null, 7]) {
      const fork = { ...place.fork!, edits, during };
      const hash = write({ ...place, fork });
      expect(hash.includes(",7&") || hash.endsWith(",7")).toBe(during === 7);
      expect(read(hash).fork).toEqual(fork);
      expect(requestOf({ ...place, fork })).toMatchObject({ edits, during });
    }
  });

  it.each([
    "4",
    "4,5",
    "x,5,%5B%5D",
    "4,0,%5B%5D",
    "4,1.5,%5B%5D",
    "4,5,%7B",
    "4,5,%5B%5D,1",
    "4,5,%5B%5D,%5B1%5D",
    "4,5,%5B%5D,%5B%5D,0",
    "4,5,%5B%5D,%5B%5D,1.5",
  ])("is none where it cannot be read: %s", (raw) =>
    expect(read(`#/recordings/rec/episodes/3?fork=${raw}`).fork).toBeNull(),
  );

  it("belongs to its episode, and stays from step to step", () => {
    expect(changed(place, { step: 2 }).fork).toEqual(place.fork);
    expect(changed(place, { episode: 4 }).fork).toBeNull();
    expect(changed(place, { episode: 4, fork: place.fork }).fork).toEqual(place.fork);
  });
});

describe("two futures on one clock", () => {
  it("the clock goes on until the later has ended, and the other keeps its last picture", () => {
    expect(futureSteps(futures)).toBe(STEPS);
    expect(futureSteps(null)).toBe(0);
    expect(sideStep(2, 3)).toEqual({ step: 2, ended: false });
    expect(sideStep(3, 3)).toEqual({ step: 2, ended: true });
  });

  it("the value is the agent's, else the highest Q-value", () => {
    expect(valuesOf(shorter)).toEqual([5, 4, 3]);
    expect(valuesOf(longer)).toEqual([0.5, 1.25, 2, 2.75]);
    expect(valuesOf(sampleEpisode({ outputs: {} }))).toBeNull();
    expect(momentText(shorter, 2)).toBe("IDLE, value 3.00");
    expect(momentText(longer, 0)).toBe("FASTER, highest Q-value 0.50");
    expect(momentText(sampleEpisode({ outputs: {} }), 2)).toBe("SLOWER");
  });

  it("rewards are summed from the fork on", () => {
    expect(returnsOf(shorter, 1)).toEqual([null, 0.5, -1.5]);
  });

  it("both lines are as long as the clock, empty where a side has ended", () => {
    const lane = pairLane("value", "", futures, valuesOf)!;
    expect(lane.lines.map(({ label }) => label)).toEqual(["as it was", "changed"]);
    expect(lane.lines[1]!.values).toEqual([5, 4, 3, null]);
    expect([lane.low, lane.high]).toEqual([0.5, 5]);
    const none = { ...futures, changed: sampleEpisode({ outputs: {} }) };
    expect(pairLane("value", "", none, valuesOf)).toBeNull();
  });
});

describe("in words", () => {
  const side = {
    detail: { ...longer.detail, outcome: "arrived", steps: 13 },
    returns: [8.2],
    outcomes: ["arrived", "crashed", "crashed", ""],
  } as unknown as ForkSide;

  it("tells how a side ended and how often each end was met", () => {
    expect(endText(side)).toBe("arrived at step 12, return 8.20");
    expect(outcomeCounts(side)).toBe("crashed 2, arrived 1, cut 1");
  });

  it("tells where the actions part", () => {
    const parting = (...diverges: (number | null)[]) => partingText({ diverges } as ForkAnswer);
    expect(parting(null)).toBe("The actions never part");
    expect(parting(6)).toBe("The actions part at step 6");
    expect(parting(6, null, 7)).toBe("The actions part at step 6; of the other pairs 1 of 2");
  });

  it("knows a fork again however its changes are written", () => {
    const plain = { step: 1, pairs: 1, edits: [], during: null };
    const [one, other] = [
      { ...plain, scene: [{ kind: "add", values: { x: 1 } }] },
      { ...plain, scene: [{ kind: "add", values: { x: 1 }, identity: null }] },
    ];
    expect(sameFork(one!, other!)).toBe(true);
    expect(sameFork(one!, { ...other!, pairs: 5 })).toBe(false);
    expect(sameFork(one!, { ...other!, scene })).toBe(false);
    expect(sameFork(one!, { ...other!, edits: ["zero gru[1]"] })).toBe(false);
    const units = { ...one!, edits: ["zero gru[1]"] };
    expect(sameFork(units, { ...units, during: 4 })).toBe(false);
    expect(sameFork(one!, { ...other!, during: 4 })).toBe(true); // there is nothing that it is of
  });
});
