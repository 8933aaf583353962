import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { client } from "../api/client";
import type { Job } from "../api/schema";
import { Failure, type Source } from "../api/source";
import { loadRecording } from "../model/episode";
import { elapsed, jobs, PAUSE_MS, progress } from "./jobs.svelte";

const JOB: Job = {
  id: "1",
  recording: "rec",
  method: "attention",
  command: "",
  state: "running",
  done: 3,
  total: 12,
  began: "2026-01-01T00:00:00Z",
  ended: null,
  result: null,
  message: "",
};

let answer: () => Job[];
let asked: number;
const api = () =>
  client({
    served: true,
    json: async (path: string) => {
      expect(path).toBe("/api/jobs");
      asked += 1;
      return answer();
    },
    bytes: async () => new ArrayBuffer(0),
    send: async (method: string) => {
      if (method === "POST") throw new Failure("2 jobs are running; wait", "bad_request", 400);
      return { ...JOB, state: "cancelled" };
    },
  } as unknown as Source);

let stop: () => void;
beforeEach(() => {
  vi.useFakeTimers();
  asked = 0;
  answer = () => [];
  jobs.list = [];
});
afterEach(() => {
  stop();
  vi.useRealTimers();
});
const wait = (ms: number) => vi.advanceTimersByTimeAsync(ms);

it("asks once where nothing runs and nobody looks", async () => {
  stop = jobs.follow(api());
  await wait(10 * PAUSE_MS);
  expect(asked).toBe(1);
});

it("asks on while a job runs, and tells when it has ended", async () => {
  answer = () => [JOB];
  const before = jobs.finished;
  stop = jobs.follow(api());
  await wait(3.5 * PAUSE_MS);
  expect([asked, jobs.running]).toEqual([4, 1]);
  answer = () => [{ ...JOB, state: "done", result: "res" }];
  await wait(5 * PAUSE_MS);
  expect([asked, jobs.running, jobs.finished - before]).toEqual([5, 0, 1]);
});

it("asks on while somebody looks", async () => {
  stop = jobs.follow(api());
  await wait(0);
  const away = jobs.look();
  await wait(2.5 * PAUSE_MS);
  expect(asked).toBe(4);
  away();
  away();
  await wait(5 * PAUSE_MS);
  expect(asked).toBe(5);
});

it("stops with the page", async () => {
  answer = () => [JOB];
  stop = jobs.follow(api());
  await wait(1.5 * PAUSE_MS);
  stop();
  const seen = asked;
  await wait(5 * PAUSE_MS);
  expect(asked).toBe(seen);
});

it("says why a job does not begin, and shows one as cancelled", async () => {
  answer = () => [{ ...JOB, state: "cancelled" }];
  stop = jobs.follow(api());
  await wait(0);
  const wanted = { recording: "rec", method: "attention", options: {} };
  expect(await jobs.begin(wanted)).toBe("2 jobs are running; wait");
  expect(await jobs.cancel("1")).toBeNull();
  expect(jobs.list.map(({ state }) => state)).toEqual(["cancelled"]);
});

it("tells time and progress", () => {
  const now = Date.parse(JOB.began);
  expect(elapsed(JOB, now + 12_400)).toBe("12 s");
  expect(elapsed(JOB, now + 185_000)).toBe("3 min 5 s");
  expect(elapsed({ ...JOB, ended: "2026-01-01T01:02:00Z" }, now)).toBe("1 h 2 min");
  expect([progress(JOB), progress({ ...JOB, total: null })]).toEqual([0.25, null]);
});

it("does not lose a job that begins while the list is on its way", async () => {
  let late: (jobs: Job[]) => void = () => undefined;
  const given = api();
  const first = vi
    .spyOn(given, "jobs")
    .mockImplementationOnce(() => new Promise((resolve) => (late = resolve)));
  vi.spyOn(given, "beginJob").mockResolvedValue(JOB);
  answer = () => [JOB];
  stop = jobs.follow(given);
  await jobs.begin({ recording: "rec", method: "attention", options: {} });
  expect(jobs.running).toBe(1);
  late([]); // what was true before it began
  await wait(0);
  expect(jobs.running).toBe(1);
  await wait(2.5 * PAUSE_MS);
  expect(first).toHaveBeenCalledTimes(4);
});

it("a job that ends well makes the page ask for its recording anew", async () => {
  const told: string[] = [];
  answer = () => [JOB];
  const asking = client({
    served: true,
    json: async (path: string) => (path === "/api/jobs" ? answer() : told.push(path)),
  } as unknown as Source);
  stop = jobs.follow(asking);
  await wait(0);
  for (const rec of ["rec", "other", "rec"]) await loadRecording(asking, rec);
  expect(told).toHaveLength(2);
  answer = () => [{ ...JOB, state: "done" }];
  await wait(PAUSE_MS);
  for (const rec of ["rec", "other"]) await loadRecording(asking, rec);
  expect(told.slice(2)).toEqual(["/api/recordings/rec"]);
});
