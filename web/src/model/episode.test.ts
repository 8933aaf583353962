import { beforeEach, expect, it } from "vitest";
import { client } from "../api/client";
import type { ArrayRef, EpisodeDetail } from "../api/schema";
import { openSource, type Source } from "../api/source";
import names from "../../../tests/envs/entity_names.json";
import {
  actionChanges,
  actionName,
  entityName,
  entityTitle,
  forget,
  kindTitle,
  loadEpisode,
  loadOverlay,
  weightsOn,
} from "./episode";
import { sampleOverlay, sampleRecording } from "./sample";

const URL = "/api/recordings/rec/episodes/0/arrays";
const ARRAYS: [string, ArrayRef["dtype"], number[], ArrayLike<number> & { buffer: ArrayBuffer }][] =
  [
    ["entities/step", "int32", [3], Int32Array.from([0, 0, 1])],
    ["entities/identity", "int32", [3], Int32Array.from([0, 5, 0])],
    ["entities/x", "float64", [3], Float64Array.from([1.5, 2.5, 3.5])],
    ["action", "int32", [2], Int32Array.from([2, 0])],
    ["policy_action", "int32", [2], Int32Array.from([2, 1])],
    ["outputs/q", "float32", [2, 3], Float32Array.from([1, 2, 3, 4, 5, 6])],
    ["sites/wide", "float32", [2, 2], Float32Array.from([9, 9, 9, 9])],
  ];

function held() {
  const refs: ArrayRef[] = [];
  let text = "";
  for (const [name, dtype, shape, data] of ARRAYS) {
    const bytes = String.fromCharCode(...new Uint8Array(data.buffer));
    refs.push({ name, url: URL, dtype, shape, offset: text.length, bytes: bytes.length });
    text += bytes + "\0".repeat((8 - (bytes.length % 8)) % 8);
  }
  const detail: EpisodeDetail = {
    recording: "rec",
    episode: 0,
    seed: 0,
    outcome: "arrived",
    total: 1,
    steps: 2,
    kinds: ["ego"],
    arrays: refs,
    bytes: text.length,
    pictures: "",
    python: "",
  };
  const json = {
    "/api/recordings/rec": sampleRecording(),
    "/api/recordings/rec/episodes/0": detail,
    "/api/recordings/rec/episodes/1/thumbnail": {
      path: [
        [-3, -4],
        [30, 2],
      ],
      bounds: null,
      image: null,
    },
  };
  return { json, bytes: { [URL]: btoa(text) } };
}

function counted(): { source: Source; ranges: [number, number][] } {
  document.body.innerHTML = '<script type="application/json" id="held"></script>';
  document.getElementById("held")!.textContent = JSON.stringify(held());
  const source = openSource();
  const ranges: [number, number][] = [];
  const bytes = source.bytes.bind(source);
  source.bytes = (path, from, to) => {
    ranges.push([from, to]);
    return bytes(path, from, to);
  };
  return { source, ranges };
}

beforeEach(() => forget(client(counted().source)));

it("reads all small arrays in one request, and no second time", async () => {
  const { source, ranges } = counted();
  const api = client(source);
  const episode = await loadEpisode(api, "rec", 0);
  const sites = episode.detail.arrays.find(({ name }) => name === "sites/wide")!;
  expect(ranges).toEqual([[0, sites.offset]]);
  expect(episode.entities.map((entities) => entities.map(({ x }) => x))).toEqual([
    [1.5, 2.5],
    [3.5],
  ]);
  expect(Array.from(episode.outputs["q"]!.data)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(episode.forced).toEqual([1]);
  expect(actionChanges(episode)).toEqual([1]);
  expect(actionName(episode, 0)).toBe("FASTER");
  expect(episode.bounds).toEqual([-3, -4, 30, 2]);
  await loadEpisode(api, "rec", 0);
  expect(ranges).toHaveLength(1);
});

it("reads all of a recording anew once it is forgotten, and nothing of another", async () => {
  const { source, ranges } = counted();
  const api = client(source);
  const before = await loadEpisode(api, "rec", 0);
  forget(api, "re");
  expect(await loadEpisode(api, "rec", 0)).toBe(before);
  forget(api, "rec");
  const after = await loadEpisode(api, "rec", 0);
  expect(after).not.toBe(before);
  expect(after.bounds).not.toBe(before.bounds);
  expect(ranges).toHaveLength(2);
});

it("passes failures on", async () => {
  const api = client(counted().source);
  await expect(loadEpisode(api, "rec", 99)).rejects.toThrow("does not hold");
  await expect(loadOverlay(api, "rec", 0, "none")).rejects.toThrow("does not hold");
});

it("gives the weights on an entity by layer", () => {
  const weights = weightsOn(sampleOverlay(), 0, 1)!;
  expect(weights.map((weight) => Number(weight.toFixed(3)))).toEqual([0.2, 0.5]);
  expect(weightsOn(sampleOverlay(), 0, 9)).toBeNull();
});

it("names entities as Python does", () => {
  const told = Object.entries(names).map(([kind, [identity]]) => [
    kind,
    [identity, entityTitle(Number(identity), kind), kindTitle(kind)],
  ]);
  expect(Object.fromEntries(told)).toEqual(names);
  expect([entityName(3, "vehicle"), entityName(4, "enemy")]).toEqual(["3", "enemy 4"]);
});
