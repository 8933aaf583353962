import { cleanup, fireEvent, render, screen, within } from "@testing-library/svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import App from "../App.svelte";
import { client } from "../api/client";
import { Export } from "../api/source";
import { shown } from "../state/view.svelte";
import { theme } from "./theme.svelte";

const LINE = {
  id: "rec",
  path: "runs/rec",
  agent: "driver",
  env: "highway/intersection",
  act: "greedy",
  episodes: 2,
  steps: 20,
  finished: true,
  mean_return: { name: "mean return", value: 7.224, low: 6.147, high: 8.138, n: 2 },
  outcomes: [{ name: "crashed", value: 0.5, low: 0.1, high: 0.9, n: 2 }],
};
const RESULT = {
  id: "res",
  path: "r",
  method: "attention",
  asked: "attention",
  recording: "rec",
  checks: 3,
  failed: 0,
};
const HELD = {
  "/api/library": {
    folder: "runs",
    version: "1",
    recordings: [LINE],
    results: [RESULT],
    methods: [],
  },
  "/api/recordings/rec": {
    ...LINE,
    scene: null,
    live: false,
    live_why: "the page is an export",
    command: "policyscope panel runs/rec",
    python: 'recording = open_recording("runs/rec")',
    provenance: { policyscope: "0.1.0", seed: 3 },
  },
  "/api/recordings/rec/episodes": {
    episode: [0, 1],
    seed: [null, null],
    outcome: ["crashed", "arrived"],
    total: [1, 2],
    steps: [10, 10],
  },
  "/api/recordings/rec/notes": [],
};

let stop: () => void;
beforeEach(() => {
  history.replaceState(null, "", "#/");
  stop = shown.follow();
  render(App, { api: client(new Export({ json: HELD, bytes: {} })) });
});
afterEach(() => {
  cleanup();
  stop();
});

test("from the library into a recording: where, how good, from where", async () => {
  expect(screen.getByRole("heading", { level: 1 }).textContent).toBe("policyscope");
  const below = within(screen.getByRole("contentinfo"));
  expect(await below.findByText("policyscope panel runs")).toBeTruthy();
  await fireEvent.click((await screen.findByRole("link", { name: "runs/rec" })).closest("tr")!);
  expect(location.hash).toBe("#/recordings/rec");
  const header = screen.getByRole("banner");
  expect(await within(header).findByRole("heading", { name: "driver" })).toBeTruthy();
  expect(within(header).getByText("6.15 to 8.14")).toBeTruthy();
  expect(within(header).getByText("50%")).toBeTruthy();
  expect(within(header).getByText(/acting greedy . 2 episodes/)).toBeTruthy();
  const footer = screen.getByRole("contentinfo");
  expect(within(footer).getByText("policyscope panel runs/rec")).toBeTruthy();
  expect(within(footer).getByText("policyscope 0.1.0 \u00b7 seed 3")).toBeTruthy();
  expect(document.title).toBe("driver \u00b7 policyscope");
  expect(await screen.findByText("2 episodes")).toBeTruthy();
  expect(screen.getByText(/the page is an export/)).toBeTruthy();
  expect(within(header).getByRole("link", { name: "library" }).getAttribute("href")).toBe("#/");
});

test("the results of a recording are a press away", async () => {
  shown.go({ page: "recording", recording: "rec" });
  const button = await screen.findByRole("button", { name: "results 1" });
  await fireEvent.click(button);
  const link = screen.getByRole("link", { name: /attention\s+3\/3 checks/ });
  expect(link.getAttribute("href")).toBe("#/results/res");
  await fireEvent.keyDown(link, { key: "Escape" });
  expect(screen.queryByRole("link", { name: /3\/3 checks/ })).toBeNull();
});

test("a recording that is not there is an error, and the library is a press away", async () => {
  shown.go({ page: "recording", recording: "gone" });
  expect((await screen.findByRole("alert")).textContent).toContain("/api/recordings/gone");
  expect(screen.getByRole("link", { name: "library" })).toBeTruthy();
});

test("light or dark is kept", async () => {
  const [before, after] = [theme.name, theme.other];
  await fireEvent.click(screen.getByRole("button", { name: `switch to the ${after} theme` }));
  expect(document.documentElement.dataset.theme).toBe(after);
  expect(localStorage.getItem("policyscope-theme")).toBe(after);
  await fireEvent.click(screen.getByRole("button", { name: `switch to the ${before} theme` }));
  expect(document.documentElement.dataset.theme).toBe(before);
});

test("? opens the keys of what is shown and closes them", async () => {
  shown.go({ page: "recording", recording: "rec" });
  await screen.findByText("2 episodes");
  await fireEvent.keyDown(document.body, { key: "?" });
  const dialog = screen.getByRole("dialog", { name: "keys" });
  expect(within(dialog).getByText("open the episode")).toBeTruthy();
  await fireEvent.keyDown(dialog, { key: "?" });
  await vi.waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
});
