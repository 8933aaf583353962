import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { shown } from "./view.svelte";

let stop: () => void;
beforeEach(() => {
  vi.useFakeTimers();
  history.replaceState(null, "", "#/recordings/rec/episodes/1");
  stop = shown.follow();
});
afterEach(() => {
  stop();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

test("the view follows the address", () => {
  expect(shown.now).toMatchObject({ page: "episode", recording: "rec", episode: 1 });
  history.replaceState(null, "", "#/recordings/rec?filter=crashed");
  dispatchEvent(new PopStateEvent("popstate"));
  expect(shown.now).toMatchObject({ page: "recording", filter: "crashed" });
});

test("a place makes an entry in the history, a step does not", () => {
  const push = vi.spyOn(history, "pushState");
  shown.go({ step: 3 });
  expect(push).not.toHaveBeenCalled();
  shown.go({ episode: 2 });
  expect(push).toHaveBeenCalledTimes(1);
  expect(location.hash).toBe("#/recordings/rec/episodes/2");
});

test("while playing, the address is written a few times a second and ends at the last step", () => {
  vi.advanceTimersByTime(1000);
  const replace = vi.spyOn(history, "replaceState");
  for (let step = 1; step <= 480; step += 1) {
    shown.go({ step });
    vi.advanceTimersByTime(1000 / 16);
  }
  expect(replace.mock.calls.length).toBeGreaterThan(30);
  expect(replace.mock.calls.length).toBeLessThanOrEqual(90);
  vi.advanceTimersByTime(1000);
  expect(location.hash).toBe("#/recordings/rec/episodes/1?step=480");
});

test("the entry that is left holds its last step", () => {
  vi.advanceTimersByTime(1000);
  const written: unknown[] = [];
  vi.spyOn(history, "replaceState").mockImplementation((...call) => void written.push(call[2]));
  vi.spyOn(history, "pushState").mockImplementation((...call) => void written.push(call[2]));
  shown.go({ step: 1 });
  shown.go({ step: 2 });
  shown.go({ episode: 2 });
  expect(written.at(-2)).toBe("#/recordings/rec/episodes/1?step=2");
  expect(written.at(-1)).toBe("#/recordings/rec/episodes/2");
});

test("a browser that refuses does not stop the view", () => {
  vi.spyOn(history, "replaceState").mockImplementation(() => {
    throw new DOMException("too many", "SecurityError");
  });
  vi.advanceTimersByTime(1000);
  shown.go({ step: 5 });
  expect(shown.now.step).toBe(5);
});
