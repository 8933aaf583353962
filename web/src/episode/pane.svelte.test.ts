import { flushSync } from "svelte";
import { expect, it, vi } from "vitest";
import { client } from "../api/client";
import { Failure, type Source } from "../api/source";
import { forget } from "../model/episode";
import { sampleRecording } from "../model/sample";
import { Pane } from "./pane.svelte";

/** A recording whose episode is made anew while its numbers are read. */
function remade() {
  let version = 1;
  const asked: string[] = [];
  const detail = () => ({
    recording: "rec",
    episode: 0,
    steps: 2,
    kinds: [],
    arrays: [
      {
        name: "reward",
        url: `/api/recordings/rec/episodes/0/arrays?v=${version}`,
        dtype: "float32",
        shape: [2],
        offset: 8 * version,
        bytes: 8,
      },
    ],
  });
  const source = {
    served: true,
    json: async (path: string) =>
      path.endsWith("/episodes/0")
        ? detail()
        : { ...sampleRecording(), id: "rec", scene: null, overlays: [] },
    bytes: async (path: string) => {
      asked.push(path);
      if (asked.length === 1) version = 2;
      if (!path.endsWith(`v=${version}`)) throw new Failure("made anew", "changed", 409);
      return Float32Array.of(5, 6).buffer;
    },
  };
  return { api: client(source as unknown as Source), asked };
}

it("reads a recording that was made anew once more, without a failure on the way", async () => {
  const { api, asked } = remade();
  const failures: unknown[] = [];
  let pane!: Pane;
  const end = $effect.root(() => {
    pane = new Pane(api, () => ({ recording: "rec", episode: 0, overlays: null }));
    api.whenChanged((rec) => {
      forget(api, rec);
      pane.again();
    });
    $effect(() => void (pane.failure && failures.push(pane.failure)));
  });
  flushSync();
  await vi.waitFor(() => expect(pane.episode).not.toBeNull());
  expect(Array.from(pane.episode!.reward.data)).toEqual([5, 6]);
  expect(asked).toHaveLength(2);
  expect(failures).toEqual([]);
  end();
});
