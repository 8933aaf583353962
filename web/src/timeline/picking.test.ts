import { expect, test } from "vitest";
import { groupsOf } from "./picking";
import { tracks } from "./testing/episode";

const names = (text: string, shown: string[] = []) =>
  groupsOf(tracks, shown, text).map((group) => group.tracks.map((track) => track.name));

test("tracks by group; rewards have a lane of their own", () => {
  expect(names("")).toEqual([["q[SLOWER]", "q[IDLE]", "q[FASTER]"], ["margin"], ["forced action"]]);
});

test("every word must be found, in any case", () => {
  expect(names("Q fast")).toEqual([["q[FASTER]"]]);
  expect(names("fast nothing")).toEqual([]);
});

test("targets that are shown can be taken away again", () => {
  expect(names("", ["margin", "q[0]-q[1]"])[0]).toEqual(["q[0]-q[1]"]);
});
