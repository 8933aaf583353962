import { fireEvent, render } from "@testing-library/svelte";
import { expect, it, vi } from "vitest";
import { sampleEpisode, sampleRecording } from "../model/sample";
import ActionChanges from "./ActionChanges.svelte";

const rows = (root: HTMLElement) =>
  [...root.querySelectorAll("tbody tr")].map((row) =>
    [...row.querySelectorAll("td")].map((cell) => cell.textContent!.trim()),
  );

it("lists the steps where the action changes with the values that decided", async () => {
  const onstep = vi.fn();
  const { container } = render(ActionChanges, { episode: sampleEpisode(), step: 3, onstep });
  expect(rows(container)).toEqual([
    ["2", "FASTER", "SLOWER", "1.50", "1.75", "2.00"],
    ["3", "SLOWER", "IDLE", "2.25", "2.50", "2.75"],
  ]);
  const [first, second] = container.querySelectorAll("tbody tr");
  expect(second!.getAttribute("aria-selected")).toBe("true");
  expect(first!.querySelector(".chosen")!.textContent).toBe("1.50");
  await fireEvent.click(first!);
  await fireEvent.keyDown(second!, { key: "Enter" });
  expect(onstep.mock.calls).toEqual([[2], [3]]);
});

it("marks actions that were forced", () => {
  const episode = sampleEpisode({ forced: [2] });
  const { container } = render(ActionChanges, { episode, step: 0, onstep: () => undefined });
  expect(rows(container).map(([step]) => step)).toEqual(["2forced", "3"]);
});

it("says so where the action never changes or is continuous", () => {
  const action = { shape: [4], data: Int32Array.from([1, 1, 1, 1]) };
  const same = render(ActionChanges, {
    episode: sampleEpisode({ action }),
    step: 0,
    onstep: () => undefined,
  });
  expect(same.container.textContent).toContain("stays the same throughout this episode: IDLE");
  same.unmount();
  const recording = sampleRecording({ actions: [] });
  const continuous = render(ActionChanges, {
    episode: sampleEpisode({ recording }),
    step: 0,
    onstep: () => undefined,
  });
  expect(continuous.container.textContent).toContain("continuous");
});
