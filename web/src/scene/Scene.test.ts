import { fireEvent, render } from "@testing-library/svelte";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { sampleEntity, sampleEpisode, sampleOverlay } from "../model/sample";
import { focus } from "../state/focus.svelte";
import { shown } from "../state/view.svelte";
import Scene from "./Scene.svelte";

const episode = sampleEpisode();
const usual = { episode, step: 0, overlays: [sampleOverlay(2)], zoom: 1 };
const actor = (root: HTMLElement, identity: number) =>
  root.querySelector<SVGGElement>(`.actor[data-identity="${identity}"]`)!;

beforeEach(() => {
  focus.identity = focus.layer = null;
  shown.go({ layer: null, identity: null });
});

describe("stepping", () => {
  it("moves the nodes that are there and draws no road anew", async () => {
    const { container, rerender } = render(Scene, usual);
    const [road, ego, line] = [".roadway", ".actor.ego .body", "line.attention"].map((selector) =>
      container.querySelector(selector),
    );
    const before = ego!.parentElement!.getAttribute("transform");
    await rerender({ ...usual, step: 1 });
    expect(container.querySelector(".roadway")).toBe(road);
    expect(container.querySelector("line.attention")).toBe(line);
    expect(ego!.isConnected).toBe(true);
    expect(ego!.parentElement!.getAttribute("transform")).not.toBe(before);
    expect(actor(container, 3)).not.toBeNull();
  });

  it("outlines vehicles that the observation does not show", async () => {
    const { container, rerender } = render(Scene, usual);
    expect(actor(container, 2).classList.contains("unseen")).toBe(false);
    await rerender({ ...usual, step: 2 });
    expect(actor(container, 2).classList.contains("unseen")).toBe(true);
  });
});

describe("focus", () => {
  it("shows the lines of the vehicle under the pointer only, and of the lit layer only", async () => {
    const { container } = render(Scene, usual);
    await fireEvent.pointerEnter(actor(container, 1));
    expect(focus.identity).toBe(1);
    const lit = [...container.querySelectorAll("line.lit")];
    expect(lit.map((line) => line.getAttribute("data-identity"))).toEqual(["1", "1"]);
    focus.layer = 1;
    await Promise.resolve();
    const off = [...container.querySelectorAll(".attention.off")];
    expect(off.length).toBeGreaterThan(0);
    expect(off.every((mark) => mark.getAttribute("data-layer") === "0")).toBe(true);
  });

  it("lights the vehicle and the layer of a line under the pointer, also beside a thin one", async () => {
    const { container } = render(Scene, usual);
    const hit = container.querySelector<SVGLineElement>('[data-hit="1:2"]')!;
    await fireEvent.pointerEnter(hit);
    expect([focus.identity, focus.layer]).toEqual([2, 1]);
    expect(actor(container, 2).classList.contains("lit")).toBe(true);
    await fireEvent.pointerLeave(hit);
    expect([focus.identity, focus.layer]).toEqual([null, null]);
    const line = container.querySelector('line.attention[data-layer="0"][data-identity="1"]')!;
    await fireEvent.pointerEnter(line);
    expect([focus.identity, focus.layer]).toEqual([1, 0]);
    const width = (of: Element) => Number(of.getAttribute("stroke-width"));
    expect(width(container.querySelector('[data-hit="0:1"]')!)).toBeGreaterThan(width(line));
  });

  it("keeps a vehicle that is pressed, until it is pressed again", async () => {
    const { container } = render(Scene, usual);
    for (const kept of [2, null]) {
      await fireEvent.pointerDown(actor(container, 2));
      await fireEvent.pointerUp(actor(container, 2));
      expect(shown.now.identity).toBe(kept);
    }
  });
});

describe("moving", () => {
  it("is not offered without someone to tell", () => {
    const { container } = render(Scene, usual);
    expect(actor(container, 1).hasAttribute("tabindex")).toBe(false);
  });

  it("goes by half metres and by five degrees with the keyboard", async () => {
    const onmove = vi.fn();
    const { container } = render(Scene, { ...usual, onmove });
    await fireEvent.keyDown(actor(container, 1), { key: "ArrowUp" });
    expect(onmove).toHaveBeenLastCalledWith(1, 10, -0.5, 0);
    await fireEvent.keyDown(actor(container, 1), { key: "ArrowRight", shiftKey: true });
    expect(onmove).toHaveBeenLastCalledWith(1, 10, -0.5, (5 * Math.PI) / 180);
  });

  it("outlines where vehicles were recorded", () => {
    const entities = [...episode.entities[0]!];
    entities[1] = sampleEntity(1, { x: 25 });
    const { container } = render(Scene, { ...usual, entities });
    const ghosts = [...container.querySelectorAll(".ghost")];
    expect(ghosts.map((ghost) => ghost.getAttribute("transform"))).toEqual([
      "translate(10 0) rotate(0)",
    ]);
  });

  it("draws live weights for the recorded ones", () => {
    const weights = {
      attention: {
        values: [
          [0, 0.77],
          [0, 0],
        ],
        identity: [0, 2],
      },
    };
    const { container } = render(Scene, { ...usual, weights });
    const lines = [...container.querySelectorAll("line.attention")];
    expect(lines.map((line) => line.getAttribute("data-weight"))).toEqual(["0.77"]);
  });
});

it("tells what it shows", () => {
  const { getByRole } = render(Scene, { ...usual, step: 2 });
  expect(getByRole("group", { name: "Scene before step 2: ego and 1 vehicle" })).toBeTruthy();
});
