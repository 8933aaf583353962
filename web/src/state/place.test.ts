import { expect, test } from "vitest";
import { DEFAULT, type View } from "./address";
import { changed } from "./place";

const EPISODE: View = {
  ...DEFAULT,
  page: "episode",
  recording: "rec",
  episode: 3,
  step: 7,
  layer: 1,
  identity: 4,
  part: [2, 9.5],
  tab: "notes",
  live: true,
  pinned: true,
  scene: [{ kind: "remove", identity: 4, values: {} }],
  sort: "-return",
  filter: "crashed",
};

test("a step keeps everything else", () => {
  expect(changed(EPISODE, { step: 8 })).toEqual({ ...EPISODE, step: 8 });
});

test("another episode begins at its start, looked at in the same way", () => {
  const next = changed(EPISODE, { episode: 4 });
  expect(next).toMatchObject({ episode: 4, step: 0, identity: null, part: null, scene: [] });
  expect(next).toMatchObject({ tab: "notes", pinned: true });
  expect(next).toMatchObject({ layer: 1, live: true, sort: "-return", filter: "crashed" });
});

test("what is asked for together with the place is taken", () => {
  expect(changed(EPISODE, { episode: 4, step: 9, identity: 2 })).toMatchObject({
    episode: 4,
    step: 9,
    identity: 2,
  });
});

test("another recording starts afresh", () => {
  expect(changed(EPISODE, { page: "recording", recording: "other" })).toEqual({
    ...DEFAULT,
    page: "recording",
    recording: "other",
  });
});

test("the table keeps its sort and filter, the library has nothing to keep", () => {
  expect(changed(EPISODE, { page: "recording" })).toEqual({
    ...DEFAULT,
    page: "recording",
    recording: "rec",
    sort: "-return",
    filter: "crashed",
  });
  expect(changed(EPISODE, { page: "library" })).toEqual(DEFAULT);
});

test("a result does not know the recording that was looked at before", () => {
  expect(changed(EPISODE, { page: "result", result: "r" })).toEqual({
    ...DEFAULT,
    page: "result",
    result: "r",
  });
});
