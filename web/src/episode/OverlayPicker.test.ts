import { fireEvent, render, screen } from "@testing-library/svelte";
import { afterEach, expect, it, vi } from "vitest";
import { sampleOverlay } from "../model/sample";
import { shown } from "../state/view.svelte";
import OverlayPicker from "./OverlayPicker.svelte";

afterEach(() => vi.unstubAllGlobals());

it("copies the line of an overlay that is shown, and leaves it shown", async () => {
  const write = vi.fn(async () => {});
  vi.stubGlobal("navigator", { clipboard: { writeText: write } });
  const overlay = { ...sampleOverlay(2), python: "recording.episode(0)" };
  const hidden = { ...overlay.info, name: "hidden", shown: false };
  render(OverlayPicker, { infos: [overlay.info, hidden], overlays: [overlay] });
  await fireEvent.click(screen.getByLabelText(`copy the Python line of ${overlay.info.name}`));
  expect(write).toHaveBeenCalledWith("recording.episode(0)");
  expect(shown.now.overlays).toBeNull();
  expect(screen.queryByLabelText("copy the Python line of hidden")).toBeNull();
});

it("stays open under a press on a text, and closes with Escape and a press outside", async () => {
  const { container } = render(OverlayPicker, { infos: [sampleOverlay(2).info] });
  const box = container.querySelector("details")!;
  box.open = true;
  const field = screen.getByRole("checkbox");
  await fireEvent.pointerDown(field);
  await fireEvent.focusOut(field, { relatedTarget: null });
  expect(box.open).toBe(true);
  await fireEvent.keyDown(field, { key: "Escape" });
  expect(box.open).toBe(false);
  box.open = true;
  await fireEvent.pointerDown(document.body);
  expect(box.open).toBe(false);
});
