import { fireEvent, render, screen, waitFor } from "@testing-library/svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { clock } from "../state/clock.svelte";
import { shown } from "../state/view.svelte";
import { countListeners, stubCanvas, WIDTH } from "./testing/canvas";
import { episode, served, STEPS } from "./testing/episode";
import Provided from "./testing/Provided.svelte";
import Timeline from "./Timeline.svelte";

beforeEach(() => {
  shown.go({ page: "episode", recording: "rec", episode: 0 });
  shown.go({ tracks: null, site: null, byrow: false, part: null, step: 0 });
});
afterEach(() => vi.restoreAllMocks());

async function timeline(step = 3, change: Record<string, unknown> = {}) {
  const given: number[] = [];
  const { api, paths } = served();
  const props = { episode: episode(), step, onstep: (to: number) => given.push(to), ...change };
  const page = render(Provided, { api, component: Timeline, given: props });
  await waitFor(() => expect(document.querySelector(".busy")).toBeNull());
  const at = (to: number) => page.rerender({ given: { ...props, step: to } });
  return { given, paths, page, at, props };
}

async function heatMap(): Promise<HTMLElement> {
  const heat = await waitFor(() => {
    const found = document.querySelector<HTMLElement>("[data-heat=trunk]");
    expect(found).not.toBeNull();
    return found!;
  });
  const plot = heat.closest<HTMLElement>("[data-plot]")!;
  for (const each of [heat, plot]) {
    vi.spyOn(each, "getBoundingClientRect").mockReturnValue(new DOMRect(0, 0, WIDTH, 60));
  }
  return plot;
}

const values = () =>
  [...document.querySelectorAll<HTMLElement>("[data-track]")].map((line) => [
    line.dataset.track,
    line.querySelector("[data-value]")!.textContent,
  ]);

test("beside changed numbers it says that its scores are those recorded", async () => {
  const { page, props } = await timeline(3, { recorded: true });
  expect((await screen.findByText("recorded")).closest(".caption")!.textContent).toContain(
    "Q-values",
  );
  await page.rerender({ given: { ...props, recorded: false } });
  expect(screen.queryByText("recorded")).toBeNull();
});

test("each track tells its value at the step, and the chosen action is marked", async () => {
  const { at } = await timeline(3);
  await waitFor(() => expect(values()).toHaveLength(5));
  expect(values()).toEqual([
    ["q[SLOWER]", "3.00"],
    ["q[IDLE]", "13.00"],
    ["q[FASTER]", "23.00"],
    ["action", "FASTER"],
    ["reward", "1.50"],
  ]);
  const chosen = () => document.querySelector<HTMLElement>(".chosen")!.dataset.track;
  expect(chosen()).toBe("q[FASTER]");
  await at(6);
  expect(values()[0]).toEqual(["q[SLOWER]", "6.00"]);
  expect(chosen()).toBe("q[SLOWER]");
  expect(document.querySelector(".chosen .best")!.textContent).toBe("\u221220.00");
});

test("the cursor lies on the step", async () => {
  const { at } = await timeline(3);
  const band = document.querySelector<HTMLElement>("[data-cursor]")!;
  expect(band.style.left).toBe("25%");
  await at(6);
  expect(band.style.left).toBe("50%");
  expect(parseFloat(band.style.width)).toBeCloseTo(100 / STEPS);
});

test("a track that fails tells so in its own lane, and can be removed", async () => {
  shown.go({ tracks: ["margin", "nothing[2]"] });
  await timeline();
  const lane = await screen.findByLabelText("nothing[2] failed");
  expect(lane.textContent).toContain("unknown target 'nothing[2]'. Valid: value, q");
  expect(values().map(([name]) => name)).toContain("margin");
  await fireEvent.click(screen.getByLabelText("remove nothing[2]"));
  expect(shown.now.tracks).toEqual(["margin"]);
  await waitFor(() => expect(screen.queryByLabelText("nothing[2] failed")).toBeNull());
});

test("an event track tells whether it happened", async () => {
  shown.go({ tracks: ["forced action"] });
  const { at } = await timeline(1);
  await waitFor(() => expect(values().at(-1)![0]).toBe("forced action"));
  await at(0);
  expect(values().at(-1)![1]).not.toBe("0.00");
});

test("pressing and dragging on a lane goes to the steps under the pointer", async () => {
  stubCanvas();
  clock.playing = true;
  const { given } = await timeline(3);
  const plot = document.querySelector<HTMLElement>("[data-plot]")!;
  plot.setPointerCapture = () => {};
  const x = (step: number) => ({ clientX: ((step + 0.5) / STEPS) * WIDTH, button: 0 });
  await fireEvent.pointerMove(plot, x(9));
  expect(given).toEqual([]);
  await fireEvent.pointerDown(plot, x(7));
  await fireEvent.pointerMove(plot, x(8));
  await fireEvent.pointerUp(plot, x(8));
  await fireEvent.pointerMove(plot, x(2));
  expect(given).toEqual([7, 8]);
  expect(clock.playing).toBe(false);
});

test("a press on a unit of the heat map adds it as a target", async () => {
  stubCanvas();
  shown.go({ site: "trunk" });
  await timeline(3);
  const map = await heatMap();
  await fireEvent.pointerMove(map, { clientX: (4.5 / STEPS) * WIDTH, clientY: 45 });
  expect(map.querySelector(".tip")!.textContent).toMatch(/step 4.*unit 1, 1.*8\.00/s);
  await fireEvent.pointerDown(map, { clientX: 225, clientY: 45, button: 2 });
  await fireEvent.click(map, { clientX: 225, clientY: 45 });
  expect(shown.now.tracks).toContain("site[trunk][1,1]");
});

test("by identity a press adds no target, and the tip says so; by row it does", async () => {
  stubCanvas();
  shown.go({ site: "trunk" });
  const shuffled = Int32Array.from({ length: STEPS * 3 }, (_, i) => (i + Math.floor(i / 3)) % 3);
  const rowIdentity = { shape: [STEPS, 3], data: shuffled };
  await timeline(3, { episode: { ...episode(), rowIdentity } });
  const map = await heatMap();
  const at = { clientX: (4.5 / STEPS) * WIDTH, clientY: 45 };
  const press = async () => {
    await fireEvent.pointerMove(map, at);
    await fireEvent.pointerDown(map, { ...at, button: 2 });
    await fireEvent.click(map, at);
  };
  await press();
  expect(map.querySelector(".tip")!.textContent).toContain("adds no target");
  expect(shown.now.tracks).toBeNull();
  await fireEvent.click(screen.getByLabelText("by identity"));
  expect(shown.now.byrow).toBe(true);
  await press();
  expect(map.querySelector(".tip")!.textContent).not.toContain("adds no target");
  expect(shown.now.tracks).toContain("site[trunk][1,1]");
});

test("the part of the steps that is shown stands in the address", async () => {
  stubCanvas();
  shown.go({ part: [2, 8] });
  const { at } = await timeline(10);
  const labels = () => [...document.querySelectorAll(".label")].map((label) => label.textContent);
  const all = Array.from({ length: STEPS }, (_, t) => String(t));
  expect(labels()).toEqual(["2", "3", "4", "5", "6", "7"]); // a step outside of it moves nothing
  await fireEvent.click(screen.getByLabelText("less time"));
  expect(shown.now.part).toEqual([4, 8]);
  await at(9);
  expect(shown.now.part![1]).toBeGreaterThanOrEqual(10);
  await fireEvent.click(screen.getByLabelText("all steps"));
  expect([shown.now.part, labels()]).toEqual([null, all]);
  shown.go({ part: [0, 5] });
  await waitFor(() => expect(labels()).toEqual(["0", "1", "2", "3", "4"]));
});

test("beside another, or of another episode, it leaves the address as it is", async () => {
  stubCanvas();
  const { page } = await timeline(3, { compact: true });
  await fireEvent.click(screen.getByLabelText("less time"));
  page.unmount();
  await timeline(3, { episode: episode(1) });
  await fireEvent.click(screen.getByLabelText("less time"));
  expect(shown.now.part).toBeNull();
});

test("a lane copies what gives its numbers in Python", async () => {
  const write = vi.fn(async () => {});
  vi.stubGlobal("navigator", { clipboard: { writeText: write } });
  shown.go({ tracks: ["q[IDLE]", "q[FASTER]", "margin"] });
  await timeline();
  await fireEvent.click(await screen.findByLabelText("copy the Python line of margin"));
  expect(write).toHaveBeenLastCalledWith('import x\nx["margin"]');
  await fireEvent.click(screen.getByLabelText("copy the Python line of Q-values"));
  expect(write).toHaveBeenLastCalledWith('import x\nx["q[IDLE]"]\nx["q[FASTER]"]');
  vi.unstubAllGlobals();
});

test("notes on steps are marked", async () => {
  stubCanvas();
  const notes = [
    { step: 4, text: "brakes late" },
    { step: null, text: "of the episode" },
  ];
  await timeline(3, { notes });
  expect(screen.getByLabelText("brakes late").style.left).toBe(`${(4.5 / STEPS) * WIDTH}px`);
  expect(screen.queryByLabelText("of the episode")).toBeNull();
});

test("beside another it is lower and chooses nothing", async () => {
  await timeline(3, { compact: true });
  expect(screen.queryByText(/tracks$/)).toBeNull();
  expect(screen.queryByLabelText("site")).toBeNull();
});

test("nothing is drawn at a step, and nothing is left behind", async () => {
  stubCanvas();
  const held = countListeners();
  const empty = held();
  const { page, at } = await timeline(3);
  await waitFor(() => expect(document.querySelectorAll(".uplot")).toHaveLength(1));
  const context = vi.mocked(HTMLCanvasElement.prototype.getContext);
  const drawn = context.mock.calls.length;
  const plot = document.querySelector(".uplot");
  for (const step of [4, 5, 6]) await at(step);
  expect(context.mock.calls).toHaveLength(drawn);
  expect(document.querySelector(".uplot")).toBe(plot);
  const during = held();
  page.unmount();
  expect(document.querySelectorAll(".uplot")).toHaveLength(0);
  const after = held();
  const again = await timeline(3);
  await waitFor(() => expect(document.querySelectorAll(".uplot")).toHaveLength(1));
  again.page.unmount();
  expect(during).toBeGreaterThan(empty);
  expect(held()).toBe(after);
});
