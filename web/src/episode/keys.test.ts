import { beforeEach, expect, it } from "vitest";
import { addKeys, hearKeys } from "../frame/keys";
import { sampleEpisode } from "../model/sample";
import { shown } from "../state/view.svelte";
import { episodeKeys } from "./keys";

const episode = sampleEpisode();
const opened: number[] = [];
hearKeys();
addKeys(
  episodeKeys({
    episode: () => episode,
    steps: () => episode.steps,
    goTo: (step) => shown.go({ step }),
    nextEpisode: (way) => opened.push(way),
  }),
);

function press(key: string, shiftKey = false): void {
  window.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey, cancelable: true }));
}

beforeEach(() => shown.go({ step: 0, layer: null, identity: null, zoom: 1 }));

it("steps, and stops at the ends", () => {
  const steps = ["ArrowRight", "End", "ArrowRight", "ArrowLeft", "Home", "ArrowLeft"].map((key) => {
    press(key);
    return shown.now.step;
  });
  expect(steps).toEqual([1, 3, 3, 2, 0, 0]);
});

it("jumps to where the action changes", () => {
  press("ArrowRight", true);
  expect(shown.now.step).toBe(2);
  press("ArrowRight", true);
  press("ArrowRight", true);
  expect(shown.now.step).toBe(3);
  press("ArrowLeft", true);
  expect(shown.now.step).toBe(2);
});

it("keeps a layer by its digit, and lets go of everything", () => {
  press("2");
  expect(shown.now.layer).toBe(1);
  press("2");
  expect(shown.now.layer).toBeNull();
  press("3");
  shown.go({ identity: 4 });
  press("Escape");
  expect([shown.now.layer, shown.now.identity]).toEqual([null, null]);
});

it("zooms and goes to other episodes", () => {
  press("+");
  expect(shown.now.zoom).toBe(1.4);
  press("0");
  expect(shown.now.zoom).toBe(1);
  press("ArrowDown");
  press("ArrowUp");
  expect(opened).toEqual([1, -1]);
});
