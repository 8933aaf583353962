import { expect, it } from "vitest";
import type { RecordingDetail } from "../api/schema";
import { optionsOf, request, wrongWith } from "./methods";

const recording = {
  id: "rec",
  episodes: 12,
  sites: { a: [1], b: [2] },
} as unknown as RecordingDetail;

it("asks traces for a site and an episode of the recording", () => {
  const options = optionsOf("traces", recording);
  expect(options.map(({ name, first }) => [name, first])).toEqual([
    ["site", "a"],
    ["episode", "0"],
  ]);
  const [site, episode] = options;
  expect(wrongWith(site!, "c")).toContain("site");
  expect(wrongWith(episode!, "11")).toBeNull();
  expect(wrongWith(episode!, "12")).toContain("at most 11");
  expect(wrongWith(episode!, "1.5")).toContain("whole");
  expect(wrongWith(episode!, "")).not.toBeNull();
  expect(request("rec", "traces", options, { site: "b" })).toEqual({
    recording: "rec",
    method: "traces",
    options: { site: "b", episode: 0 },
  });
});

it("runs a method that it does not know with its defaults", () => {
  expect(request("rec", "mine", optionsOf("mine", recording), {}).options).toEqual({});
});
