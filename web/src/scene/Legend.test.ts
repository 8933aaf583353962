import { fireEvent, render } from "@testing-library/svelte";
import { beforeEach, expect, it } from "vitest";
import { sampleOverlay } from "../model/sample";
import { focus } from "../state/focus.svelte";
import { shown } from "../state/view.svelte";
import Legend from "./Legend.svelte";

beforeEach(() => {
  focus.layer = null;
  shown.go({ layer: null });
});

it("lights a layer under the pointer and keeps the one that is pressed", async () => {
  const { getByText } = render(Legend, { overlays: [sampleOverlay(2)] });
  const chip = getByText("head 1");
  await fireEvent.pointerEnter(chip);
  expect(focus.layer).toBe(1);
  await fireEvent.pointerLeave(chip);
  expect(focus.layer).toBeNull();
  await fireEvent.click(chip);
  expect(shown.now.layer).toBe(1);
  expect(chip.getAttribute("aria-pressed")).toBe("true");
  await fireEvent.click(chip);
  expect(shown.now.layer).toBeNull();
});

it("writes both ends of a signed layer's colours", () => {
  const effect = sampleOverlay(1, { layers: ["dQ"], signed: true });
  const { getByRole } = render(Legend, { overlays: [{ ...effect, low: -3, high: 2 }] });
  const ends = [...getByRole("button").querySelectorAll("small")];
  expect(ends.map((end) => end.textContent)).toEqual(["\u22123.00", "3.00"]);
});
