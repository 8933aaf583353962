import { cleanup, fireEvent, render, screen, within } from "@testing-library/svelte";
import { afterEach, expect, test, vi } from "vitest";
import type { RecordingDetail } from "../api/schema";
import { Failure } from "../api/source";
import CopyLine from "./CopyLine.svelte";
import FailureView from "./Failure.svelte";
import Figures from "./Figures.svelte";
import { origin } from "./present.svelte";
import { told } from "./told";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("a line is copied, and says so", async () => {
  const write = vi.fn(async () => {});
  vi.stubGlobal("navigator", { clipboard: { writeText: write } });
  render(CopyLine, { text: "policyscope panel", label: "command" });
  await fireEvent.click(screen.getByRole("button", { name: "copy the command" }));
  expect(write).toHaveBeenCalledWith("policyscope panel");
  expect(await screen.findByText("copied")).toBeTruthy();
});

test("several lines stand in one without imports, and are copied as they are", async () => {
  const write = vi.fn(async () => {});
  vi.stubGlobal("navigator", { clipboard: { writeText: write } });
  render(CopyLine, { text: "import x\n\nx.y()\nx.z()" });
  expect(screen.getByText("x.y(); x.z()")).toBeTruthy();
  await fireEvent.click(screen.getByRole("button"));
  expect(write).toHaveBeenCalledWith("import x\n\nx.y()\nx.z()");
});

test("without permission it copies what it selects itself", async () => {
  vi.stubGlobal("navigator", {});
  let copied = "";
  document.execCommand = vi.fn(() => {
    copied = document.querySelector("textarea")?.value ?? "";
    return true;
  });
  render(CopyLine, { text: "open_recording('a b')" });
  await fireEvent.click(screen.getByRole("button"));
  expect(await screen.findByText("copied")).toBeTruthy();
  expect(copied).toBe("open_recording('a b')");
  expect(document.querySelector("textarea")).toBeNull();
});

test("a copy that fails says so", async () => {
  vi.stubGlobal("navigator", {});
  document.execCommand = vi.fn(() => false);
  render(CopyLine, { text: "x" });
  await fireEvent.click(screen.getByRole("button"));
  expect(await screen.findByText("not copied")).toBeTruthy();
});

test("an error has what, the mend, and another try", async () => {
  const again = vi.fn();
  const error = new Failure("no recording 'x'; there are a, b", "unknown_name", 404);
  render(FailureView, { error, again });
  expect(screen.getByRole("alert").textContent).toContain("No recording 'x'");
  expect(screen.getByText("There are a, b")).toBeTruthy();
  await fireEvent.click(screen.getByRole("button", { name: "try again" }));
  expect(again).toHaveBeenCalledTimes(1);
});

test.each([
  ["unknown recording 'x.y'. Valid: a, b.", "Unknown recording 'x.y'", "Valid: a, b."],
  ["torn", "Torn", ""],
  ["a/b.json: cut off (the file is damaged)", "a/b.json: cut off", "The file is damaged"],
  ["", "The server gave no reason", ""],
])("%j in two parts", (message, what, mend) => {
  expect(told(new Failure(message, "c", 400))).toEqual({ what, mend });
});

test("another error is the page's own", () => {
  expect(told(new TypeError("x is not a function")).what).toBe("The page made a mistake");
});

test("where something comes from, as far as it tells", () => {
  expect(origin(undefined)).toBe("");
  expect(origin({ seed: 0, packages: { torch: "2", none: null }, commit: "0123456789ab" })).toBe(
    "seed 0 \u00b7 commit 0123456789 \u00b7 torch 2",
  );
});

test("figures name the most frequent outcomes and count the rest", () => {
  const shares = { coin: 0.5, saw: 0, enemy_left: 0, lava: 0.2, fell: 0, timed_out: 0.3 };
  const outcomes = Object.entries(shares).map(([name, value]) => {
    return { name, value, low: 0, high: 1, n: 10 };
  });
  const recording = { outcomes, episodes: 10 } as unknown as RecordingDetail;
  render(Figures, { recording });
  const figures = within(screen.getByRole("group", { name: /summary over 10 episodes/ }));
  expect(figures.getByText("timed out").parentElement!.textContent).toContain("30%");
  expect(figures.queryByText("enemy left")).toBeNull();
  expect(figures.getByText("others 0%").title).toBe("saw 0%, enemy left 0%, fell 0%");
});
