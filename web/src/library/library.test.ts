import { cleanup, fireEvent, render, screen, within } from "@testing-library/svelte";
import type { Component } from "svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { EpisodeTable, Library, RecordingDetail, RecordingLine } from "../api/schema";
import { Export, type Source } from "../api/source";
import { hearKeys } from "../frame/keys";
import { DEFAULT } from "../state/address";
import { shown } from "../state/view.svelte";
import EpisodeList from "./EpisodeList.svelte";
import EpisodeRows from "./EpisodeRows.svelte";
import LibraryPage from "./LibraryPage.svelte";
import Page from "./Page.test.svelte";

let stop: () => void;
beforeEach(() => {
  stop = hearKeys();
  shown.now = { ...DEFAULT };
});
afterEach(() => {
  stop();
  cleanup();
});

const LINE: RecordingLine = {
  id: "rec",
  path: "runs/rec",
  agent: "driver",
  env: "highway/intersection",
  act: "greedy",
  episodes: 3,
  steps: 31,
  finished: true,
  recorded: "2026-11-21T12:57:30+00:00",
  mean_return: { name: "mean return", value: -1.5, low: null, high: null, n: 3 },
  outcomes: [{ name: "timed_out", value: 1, low: 0.4, high: 1, n: 3 }],
  methods: [],
  explain: "",
};
const TABLE: EpisodeTable = {
  episode: [0, 1, 2],
  seed: [5, 6, 7],
  outcome: ["arrived", "crashed", "timed_out"],
  total: [9, -3, 5],
  steps: [9, 8, 14],
};
const library = (change: Partial<Library>): Library => ({
  folder: "runs",
  version: "1",
  recordings: [],
  results: [],
  methods: ["attention"],
  whole: true,
  ...change,
});
const held = (json: Record<string, unknown>) => new Export({ json, bytes: {} });

function show<Props extends object>(
  component: Component<Props>,
  source: Source,
  given: Partial<Props> = {},
) {
  render(Page, { props: { component: component as Component, source, given } });
}

function showLibrary(change: Partial<Library>) {
  const source = held({ "/api/library": library(change) });
  show(LibraryPage, source);
}

test("an empty folder says which command makes a recording", async () => {
  showLibrary({});
  expect(await screen.findByText(/policyscope record .* --out runs\/rec/)).toBeTruthy();
  expect(screen.getAllByRole("button", { name: "copy the command" })).toHaveLength(2);
  expect(document.body.dataset.ready).toBe("true");
});

test("a method is suggested for a recording that it can explain", async () => {
  const plain = { ...LINE, id: "plain", path: "plain", explain: "" };
  const open = { ...LINE, id: "open", path: "open", explain: "--method a", finished: false };
  const fits = { ...LINE, id: "fits", path: "fits", explain: "--method traces --site relu" };
  showLibrary({ recordings: [plain, open, fits] });
  expect(
    await screen.findByText("policyscope explain runs/fits --method traces --site relu"),
  ).toBeTruthy();
  cleanup();
  showLibrary({ recordings: [plain, open] });
  expect(await screen.findByText(/no finished recording that a method explains/)).toBeTruthy();
  expect(screen.queryByText(/policyscope explain/)).toBeNull();
});

test("says that something may be missing where not all folders were looked at", async () => {
  showLibrary({ whole: false });
  expect(await screen.findByText(/some recordings and results\s+may be missing/)).toBeTruthy();
});

test("a recording shows its return, outcomes and day; a click opens it", async () => {
  showLibrary({ recordings: [LINE] });
  const table = await screen.findByRole("table", { name: "recordings" });
  const row = within(table).getAllByRole("row")[1]!;
  for (const text of ["\u22121.50", "\u2013", "2026-11-21", "driver"]) {
    expect(within(row).getByText(text)).toBeTruthy();
  }
  expect(within(row).getByText(/timed out\s+100%/)).toBeTruthy();
  await fireEvent.click(row);
  expect(shown.now).toMatchObject({ page: "recording", recording: "rec" });
});

test("of many outcomes the most frequent are named, the rest counted", async () => {
  const shares = { coin: 0.5, saw: 0, enemy_left: 0, lava: 0.2, fell: 0, timed_out: 0.3 };
  const outcomes = Object.entries(shares).map(([name, value]) => ({
    ...LINE.outcomes[0]!,
    name,
    value,
  }));
  showLibrary({ recordings: [{ ...LINE, outcomes }] });
  const row = (await screen.findByText("runs/rec")).closest("tr")!;
  expect(within(row).getByText(/timed out\s+30%/)).toBeTruthy();
  expect(within(row).queryByText(/saw/)).toBeNull();
  expect(within(row).getByText("others 0%").title).toBe("saw 0%, enemy left 0%, fell 0%");
});

test("a torn recording tells why and does not open; a result tells its checks", async () => {
  const torn = { ...LINE, id: "torn", path: "runs/torn", problem: "recording.json is cut off" };
  const result = { id: "res", path: "runs/rec/explain", method: "attribution", recording: "rec" };
  const results = [
    { ...result, asked: "shapley of value, 3:5", checks: 5, failed: 2 },
    { ...result, id: "b", asked: "gradient", checks: 0, failed: 0, unchecked: "describes only" },
  ];
  showLibrary({ recordings: [LINE, torn], results });
  const text = await screen.findByText("recording.json is cut off");
  await fireEvent.click(text.closest("tr")!);
  expect(shown.now.page).toBe("library");
  expect(screen.getByRole("link", { name: "shapley of value, 3:5" })).toBeTruthy();
  expect(screen.queryByText("attribution")).toBeNull();
  expect(screen.getByText("3/5").className).toContain("bad");
  expect(screen.getByText("unchecked").title).toBe("describes only");
  await fireEvent.click(screen.getByText("3/5"));
  expect(shown.now).toMatchObject({ page: "result", result: "res" });
});

test("a library that does not come is an error with another try", async () => {
  show(LibraryPage, held({}));
  expect((await screen.findByRole("alert")).textContent).toContain("/api/library");
});

const RECORDING = { ...LINE, scene: null } as unknown as RecordingDetail;
const numbers = () =>
  screen
    .getAllByRole("row")
    .slice(1)
    .map((row) => within(row).getAllByRole("cell"));

test("the list of episodes: current, sorted, filtered, up and down", async () => {
  const onopen = vi.fn();
  shown.now = { ...DEFAULT, page: "episode", recording: "rec", episode: 2 };
  const props = { recording: RECORDING, table: TABLE, current: 2, onopen };
  show(EpisodeList, held({}), props);
  expect(numbers().map(([first]) => first!.textContent)).toEqual(["0", "1", "2"]);
  expect(screen.getByText("timed out").closest("tr")!.getAttribute("aria-current")).toBe("true");

  const head = screen.getByRole("columnheader", { name: /return/ });
  await fireEvent.click(within(head).getByRole("button"));
  expect(head.getAttribute("aria-sort")).toBe("ascending");
  expect(numbers().map(([first]) => first!.textContent)).toEqual(["1", "2", "0"]);
  await fireEvent.keyDown(document.body, { key: "ArrowDown" });
  await fireEvent.keyDown(document.body, { key: "ArrowUp" });
  expect(onopen.mock.calls).toEqual([[0], [1]]);

  const box = screen.getByRole("searchbox") as HTMLInputElement;
  expect(box.placeholder).toBe("filter, e.g. timed_out");
  await fireEvent.input(box, { target: { value: "steps<10" } });
  expect(shown.now).toMatchObject({ sort: "return", filter: "steps<10" });
  expect(screen.getByText("2 of 3 episodes")).toBeTruthy();
  await fireEvent.input(box, { target: { value: "stps<10" } });
  expect(screen.getByText(/no column .stps./)).toBeTruthy();
  expect(box.getAttribute("aria-invalid")).toBe("true");
  await fireEvent.keyDown(box, { key: "Escape" });
  expect(screen.getByText("3 episodes")).toBeTruthy();
});

test("the table of episodes: arrow keys choose, Enter opens, a picture for what is drawn", async () => {
  const asked: string[] = [];
  const source = held({});
  const image = "data:image/png;base64,iVBORw0KGgo=";
  source.json = async <T>(path: string) => {
    asked.push(path);
    return { image } as T;
  };
  const n = 10_000;
  const many = [...Array(n).keys()];
  const table = {
    episode: many,
    seed: many,
    outcome: many.map(() => "arrived"),
    total: many,
    steps: many,
  };
  shown.now = { ...DEFAULT, page: "recording", recording: "rec" };
  show(EpisodeRows, source, { recording: RECORDING, table });
  const drawn = numbers().length;
  expect(drawn).toBeLessThan(60);
  await vi.waitFor(() => expect(document.querySelectorAll("img").length).toBeGreaterThan(5));
  expect(new Set(asked).size).toBeLessThanOrEqual(drawn);
  for (const key of ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "Enter"]) {
    await fireEvent.keyDown(document.body, { key });
  }
  expect(shown.now).toMatchObject({ page: "episode", episode: 1, step: 0 });
});
