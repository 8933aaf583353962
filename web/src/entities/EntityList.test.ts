import { fireEvent, render } from "@testing-library/svelte";
import { beforeEach, expect, it, vi } from "vitest";
import { sampleEntity, sampleEpisode, sampleOverlay } from "../model/sample";
import { focus } from "../state/focus.svelte";
import { shown } from "../state/view.svelte";
import EntityList from "./EntityList.svelte";

const episode = sampleEpisode();
const usual = { episode, step: 0, overlays: [sampleOverlay(2)] };
const line = (root: HTMLElement, identity: number) =>
  root.querySelector<HTMLButtonElement>(`[data-entity="${identity}"]`)!;
const words = (node: HTMLElement) =>
  [...node.querySelectorAll("span")].map((span) => span.textContent!.trim());

beforeEach(() => {
  focus.identity = focus.layer = null;
  shown.go({ layer: null, identity: null });
});

it("tells distance, speed and weights of each entity at the step", async () => {
  const { container, rerender } = render(EntityList, usual);
  expect(words(line(container, 0))).toEqual(["ego", "", "8.0", ".10", ".40"]);
  expect(words(line(container, 1))).toEqual(["1", "22", "8.0", ".20", ".50"]);
  await rerender({ ...usual, step: 3 });
  expect(words(line(container, 1)).slice(0, 2)).toEqual(["1", "14"]);
  expect(words(line(container, 2)).slice(3)).toEqual(["", ""]);
});

it("is linked with the scene: lights what is pointed at, keeps what is pressed", async () => {
  const { container } = render(EntityList, usual);
  await fireEvent.pointerEnter(line(container, 2));
  expect(focus.identity).toBe(2);
  await fireEvent.pointerLeave(line(container, 2));
  expect(focus.identity).toBeNull();
  await fireEvent.click(line(container, 1));
  expect(shown.now.identity).toBe(1);
  expect(line(container, 1).getAttribute("aria-pressed")).toBe("true");
  focus.identity = 0;
  await Promise.resolve();
  expect(line(container, 0).closest(".entity")!.classList.contains("lit")).toBe(true);
});

it("is one tab stop; the arrows go from row to row", async () => {
  const { container } = render(EntityList, usual);
  const heard = vi.fn();
  window.addEventListener("keydown", heard);
  line(container, 0).focus();
  await fireEvent.keyDown(line(container, 0), { key: "ArrowDown" });
  window.removeEventListener("keydown", heard);
  expect(document.activeElement).toBe(line(container, 1));
  expect(heard).not.toHaveBeenCalled();
  expect([0, 1, 2].map((identity) => line(container, identity).tabIndex)).toEqual([0, -1, -1]);
});

it("shows the changed scene and its weights, and says so", async () => {
  const entities = [sampleEntity(0), sampleEntity(1, { x: 3, y: 4 })];
  const weights = {
    attention: {
      values: [
        [0.5, 0.25],
        [0, 1],
      ],
      identity: [0, 1],
    },
  };
  const { container, queryByText, rerender } = render(EntityList, usual);
  expect(queryByText("changed")).toBeNull();
  await rerender({ ...usual, entities, weights });
  expect(queryByText("changed")).toBeTruthy();
  expect(words(line(container, 1))).toEqual(["1", "5", "8.0", ".25", "1.00"]);
  expect(line(container, 2).classList.contains("gone")).toBe(true);
});

it("names whom no observation shows, and is not there without entities", () => {
  const { container, unmount } = render(EntityList, usual);
  expect(container.textContent).toContain("never in the observation: 3");
  unmount();
  const empty = render(EntityList, {
    ...usual,
    episode: sampleEpisode({ entities: [[], [], [], []] }),
  });
  expect(empty.container.textContent).toBe("");
});
