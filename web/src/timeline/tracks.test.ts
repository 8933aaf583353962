import { expect, test, vi } from "vitest";
import { Tracks } from "./tracks.svelte";
import { served } from "./testing/episode";

const names = (tracks: Tracks) => tracks.found.map((one) => one.name);

test("one that fails leaves the others", async () => {
  const tracks = new Tracks(served().api);
  await tracks.want("rec", 0, ["margin", "nothing[1]", "reward"]);
  expect(names(tracks)).toEqual(["margin", "nothing[1]", "reward"]);
  expect(tracks.found.map((one) => one.values !== null)).toEqual([true, false, true]);
  expect(tracks.found[1]!.problem).toBe("unknown target 'nothing[1]'. Valid: value, q");
});

test("another episode's values go at once, its lanes stay; none is asked for twice", async () => {
  const { api, paths } = served();
  const tracks = new Tracks(api);
  await tracks.want("rec", 0, ["margin"]);
  const other = tracks.want("rec", 1, ["margin", "reward"]);
  expect(names(tracks)).toEqual(["margin"]);
  expect(tracks.found[0]!.values).toMatchObject({ unit: "return", values: [] });
  expect(tracks.busy).toBe(true);
  await other;
  expect(tracks.busy).toBe(false);
  await tracks.want("rec", 1, ["reward", "margin"]);
  expect(names(tracks)).toEqual(["reward", "margin"]);
  expect(paths).toHaveLength(3);
});

test("each track is shown as it comes, however slow another is", async () => {
  const { api } = served();
  const ask = api.tracks;
  let release = () => {};
  const slow = new Promise<void>((resolve) => (release = resolve));
  api.tracks = async (rec, k, names) => {
    if (k === 1 && names[0] === "margin") await slow;
    return ask(rec, k, names);
  };
  const tracks = new Tracks(api);
  await tracks.want("rec", 0, ["margin", "reward"]);
  const other = tracks.want("rec", 1, ["margin", "reward"]);
  await vi.waitFor(() => expect(tracks.found[1]!.values!.values).toHaveLength(12));
  expect(tracks.found[0]!.values!.values).toEqual([]);
  expect(tracks.busy).toBe(true);
  release();
  await other;
  expect(tracks.found[0]!.values!.values).toHaveLength(12);
  expect(tracks.busy).toBe(false);
});

test("one that failed is asked for again, e.g. once a job has brought it", async () => {
  const { api } = served();
  const ask = api.tracks;
  let there = false;
  api.tracks = (rec, k, names) => ask(rec, k, there ? names : ["nothing[1]"]);
  const tracks = new Tracks(api);
  await tracks.want("rec", 0, ["margin"]);
  expect(tracks.found[0]!.problem).toContain("unknown target");
  there = true;
  await tracks.want("rec", 0, ["margin"]);
  expect(tracks.found[0]).toMatchObject({ name: "margin", problem: "" });
});

test("what is removed goes at once, and is asked for anew when it is wanted again", async () => {
  const { api, paths } = served();
  const tracks = new Tracks(api);
  await tracks.want("rec", 0, ["margin", "reward"]);
  const fewer = tracks.want("rec", 0, ["reward"]);
  expect(names(tracks)).toEqual(["reward"]);
  await fewer;
  await tracks.want("rec", 0, ["reward", "margin"]);
  expect(paths).toHaveLength(3);
});

test("an answer that comes late does not replace a later one", async () => {
  const { api } = served();
  const ask = api.tracks;
  let release = () => {};
  const late = new Promise<void>((resolve) => (release = resolve));
  api.tracks = async (rec, k, names) => {
    if (k === 0) await late;
    return ask(rec, k, names);
  };
  const tracks = new Tracks(api);
  const first = tracks.want("rec", 0, ["margin", "reward"]);
  await tracks.want("rec", 1, ["q[IDLE]"]);
  release();
  await first;
  expect(names(tracks)).toEqual(["q[IDLE]"]);
});
