import { fireEvent, render, screen } from "@testing-library/svelte";
import { afterEach, expect, test, vi } from "vitest";
import { clock } from "../state/clock.svelte";
import Transport from "./Transport.svelte";

afterEach(() => {
  clock.playing = false;
  vi.unstubAllGlobals();
});

function transport(step: number) {
  const given: number[] = [];
  const onstep = (to: number) => void given.push(to);
  const shown = render(Transport, { steps: 13, step, onstep, label: "episode 12" });
  return { given, shown };
}

test("the buttons lead to first, one back, one forward and last, and no further", async () => {
  const { given, shown } = transport(12);
  for (const name of ["first step", "step back", "step forward", "last step"]) {
    await fireEvent.click(screen.getByLabelText(name));
  }
  expect(given).toEqual([0, 11, 12, 12]);
  await shown.rerender({ step: 0 });
  await fireEvent.click(screen.getByLabelText("step back"));
  expect(given.at(-1)).toBe(0);
});

test("the label and the slider tell the step", async () => {
  const { given } = transport(3);
  expect(document.querySelector("[data-step-label]")!.textContent).toBe(
    "episode 12 \u00b7 step 3 of 12",
  );
  const slider = screen.getByLabelText<HTMLInputElement>("step");
  expect([slider.max, slider.value]).toEqual(["12", "3"]);
  expect(slider.getAttribute("aria-valuetext")).toBe("step 3 of 12");
  await fireEvent.input(slider, { target: { value: "7" } });
  expect(given).toEqual([7]);
});

test("play plays until it is pressed again; going somewhere stops it", async () => {
  const frames = new Map<number, FrameRequestCallback>();
  vi.stubGlobal("requestAnimationFrame", (run: FrameRequestCallback) => frames.set(1, run) && 1);
  vi.stubGlobal("cancelAnimationFrame", (id: number) => frames.delete(id));
  clock.speed = 2;
  const { given, shown } = transport(3);
  await fireEvent.click(screen.getByLabelText("play"));
  frames.get(1)!(1000);
  frames.get(1)!(1600);
  expect(given).toEqual([4]);
  await shown.rerender({ step: 4 });
  await fireEvent.click(screen.getByLabelText("pause"));
  expect(frames.size).toBe(0);
  await fireEvent.click(screen.getByLabelText("play"));
  await fireEvent.click(screen.getByLabelText("step back"));
  expect(clock.playing).toBe(false);
  expect(frames.size).toBe(0);
});

test("it stops with the page that shows it", async () => {
  const { shown } = transport(3);
  await fireEvent.click(screen.getByLabelText("play"));
  shown.unmount();
  expect(clock.playing).toBe(false);
});
