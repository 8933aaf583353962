// The field, the list and the search behind them, over a server that answers piece by piece.

import { cleanup, fireEvent, render, screen } from "@testing-library/svelte";
import { tick } from "svelte";
import type { Component } from "svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Moments } from "../api/schema";
import { Failure, type Source } from "../api/source";
import { hearKeys } from "../frame/keys";
import Page from "../library/Page.test.svelte";
import { sampleRecording } from "../model/sample";
import { DEFAULT } from "../state/address";
import { shown } from "../state/view.svelte";
import { found } from "./found.svelte";
import Box from "./Box.test.svelte";

const PYTHON = "recording = open_recording('rec')\nfind(recording, 'step > 1')";

function piece(query: string, change: Partial<Moments> = {}): Moments {
  const one = { episode: 1, step: 3, until: 5, number: 2.5, outcome: "crashed", total: 1 };
  return {
    query,
    moments: [one, { ...one, episode: 2, step: 0, until: 0, number: null }],
    found: 2,
    cut: false,
    ranked: false,
    episode: [1, 2],
    count: [1, 1],
    done: 12,
    steps: 12,
    finished: true,
    python: PYTHON,
    ...change,
  };
}

class Server implements Source {
  served = true;
  asked: string[] = [];
  signals: (AbortSignal | undefined)[] = [];
  constructor(private answer: (query: string, episode: string | null) => Promise<Moments>) {}
  async json<T>(path: string, signal?: AbortSignal): Promise<T> {
    const { searchParams } = new URL(path, "http://x");
    this.asked.push(path);
    this.signals.push(signal);
    return (await this.answer(searchParams.get("query")!, searchParams.get("episode"))) as T;
  }
  async bytes(): Promise<ArrayBuffer> {
    return new ArrayBuffer(0);
  }
  async send<T>(): Promise<T> {
    throw new Failure("no", "no", 400);
  }
}

let stop: () => void;
beforeEach(() => {
  vi.useFakeTimers();
  stop = hearKeys();
  sessionStorage.clear();
  found.recent = [];
  found.answer = null;
  found.failure = null;
  shown.now = { ...DEFAULT, page: "recording", recording: "rec" };
});
afterEach(() => {
  stop();
  cleanup();
  vi.useRealTimers();
});

function show(server: Source, narrow = false) {
  const given = { recording: sampleRecording({ id: "rec" }), narrow };
  render(Page, { props: { component: Box as Component, source: server, given } });
}
async function settle(ms = 0) {
  await vi.advanceTimersByTimeAsync(ms);
  await tick();
}
const field = () => screen.getByRole("combobox", { name: "find moments" }) as HTMLInputElement;
const type = (text: string) => fireEvent.input(field(), { target: { value: text } });

test("typing asks once it pauses, Enter asks at once; the query stands in the address", async () => {
  const server = new Server(async (query) => piece(query));
  show(server);
  await type("step");
  await settle(200);
  await type("step > 1");
  await settle(299);
  expect(server.asked).toEqual([]);
  await settle(1);
  expect(server.asked).toEqual(["/api/recordings/rec/moments?query=step%20%3E%201"]);
  expect(shown.now.find).toBe("step > 1");
  await type("step > 2");
  await fireEvent.keyDown(field(), { key: "Enter" });
  await settle();
  expect(server.asked).toHaveLength(2);
  expect(found.recent).toEqual(["step > 2", "step > 1"]);
});

test("what is found so far is shown, and asked on for until all is searched", async () => {
  const answers = [
    piece("step > 1", { finished: false, done: 3 }),
    piece("step > 1", { finished: false, done: 6, found: 7 }),
    piece("step > 1", { found: 9 }),
  ];
  const waiting: (() => void)[] = [];
  const server = new Server(
    () => new Promise((resolve) => waiting.push(() => resolve(answers.shift()!))),
  );
  shown.now.find = "step > 1";
  show(server);
  for (const told of [
    /2 moments .* 25% searched/,
    /7 moments .* 50% searched/,
    /^9 moments in 2/,
  ]) {
    await settle();
    waiting.shift()!();
    await settle();
    expect(screen.getByText(told)).toBeTruthy();
  }
  expect(server.asked).toHaveLength(3);
  expect(found.busy).toBe(false);
});

test("a newer query takes the place of one that is not answered yet", async () => {
  const resolve: Record<string, (answer: Moments) => void> = {};
  const server = new Server((query) => new Promise((give) => (resolve[query] = give)));
  shown.now.find = "step > 1";
  show(server);
  await settle();
  shown.go({ find: "step > 2" });
  await settle();
  expect(server.signals[0]!.aborted).toBe(true);
  resolve["step > 2"]!(piece("step > 2", { found: 5 }));
  await settle();
  resolve["step > 1"]!(piece("step > 1", { found: 1000, finished: false }));
  await settle();
  expect(found.answer?.query).toBe("step > 2");
  expect(server.asked).toHaveLength(2);
  expect(found.recent).toEqual(["step > 2"]);
});

test("a wrong word is underlined until the text is another; what is missing is no error", async () => {
  const server = new Server(async (query) => {
    if (query === "value")
      throw new Failure("expected a comparison", "x", 400, { at: 5, length: 0 });
    throw new Failure("no valu; there is value", "x", 400, { at: 4, length: 4 });
  });
  shown.now.find = "abs(valu) > 1";
  show(server);
  await settle();
  expect(document.querySelector("mark")?.textContent).toBe("valu");
  expect(field().getAttribute("aria-invalid")).toBe("true");
  expect(screen.getByText("No valu. There is value").className).toContain("bad");
  await type("value");
  expect(document.querySelector("mark")).toBeNull();
  await settle(300);
  expect(screen.getByText("Expected a comparison").className).toContain("quiet");
  expect(field().getAttribute("aria-invalid")).toBeNull();
  expect(found.recent).toEqual([]);
});

test("the slash goes to the field, which offers examples; one is taken by keys", async () => {
  const server = new Server(async (query) => piece(query));
  show(server);
  await fireEvent.keyDown(document.body, { key: "/" });
  expect(document.activeElement).toBe(field());
  await settle();
  const options = screen.getAllByRole("option").map((one) => one.textContent);
  expect(options).toEqual(["abs(advantage) top 20", "value drops > 1 within 5"]);
  await fireEvent.keyDown(field(), { key: "ArrowDown" });
  await fireEvent.keyDown(field(), { key: "ArrowDown" });
  await fireEvent.keyDown(field(), { key: "Enter" });
  await settle();
  expect(shown.now.find).toBe("value drops > 1 within 5");
  await fireEvent.click(field());
  expect(screen.getAllByRole("option").map((one) => one.textContent)).toEqual([
    "abs(advantage) top 20",
  ]);
});

test("Escape closes the offers, then empties the field and its filter", async () => {
  show(new Server(async (query) => piece(query)));
  shown.go({ find: "step > 1", filter: "crashed moments>0" });
  await settle();
  await fireEvent.click(field());
  await fireEvent.keyDown(field(), { key: "Escape" });
  expect(screen.queryByRole("listbox")).toBeNull();
  expect(field().value).toBe("step > 1");
  await fireEvent.keyDown(field(), { key: "Escape" });
  await settle();
  expect(shown.now).toMatchObject({ find: "", filter: "crashed" });
  expect(found.answer).toBeNull();
});

test("a line of the list goes to its step; keys go on from there", async () => {
  show(new Server(async (query) => piece(query)));
  shown.go({ find: "step > 1" });
  await settle();
  const rows = screen.getAllByRole("row").slice(1);
  const cells = (row: HTMLElement) => [...row.children].map((one) => one.textContent!.trim());
  expect(rows.map(cells)).toEqual([
    ["1", "3\u20135", "2.500", "crashed"],
    ["2", "0", "", "crashed"],
  ]);
  await fireEvent.click(rows[0]!);
  const place = { page: "episode", episode: 1, step: 3, tab: "moments", find: "step > 1" };
  expect(shown.now).toMatchObject(place);
  await settle();
  expect(screen.getAllByRole("row")[1]!.getAttribute("aria-current")).toBe("true");
  found.go(1);
  expect(shown.now).toMatchObject({ episode: 2, step: 0 });
  found.go(1);
  expect(shown.now).toMatchObject({ episode: 2, step: 0 });
  expect(screen.getByText(/^recording = open_recording/).title).toBe(PYTHON);
});

test("of a cut list all moments of the episode shown are asked for", async () => {
  const own = { episode: 2, step: 8, until: 8, number: null, outcome: "", total: 0 };
  const server = new Server(async (query, episode) =>
    piece(query, { cut: true, found: 5000, ...(episode ? { moments: [own] } : {}) }),
  );
  shown.now = { ...shown.now, page: "episode", episode: 2, find: "step > 1" };
  show(server, true);
  await settle();
  await settle();
  expect(server.asked.at(-1)).toBe("/api/recordings/rec/moments?query=step%20%3E%201&episode=2");
  expect(found.of("rec", 2)).toEqual([own]);
  expect(found.of("rec", 1)).toHaveLength(1);
  expect(found.of("other", 2)).toBeNull();
  found.go(1);
  expect(shown.now).toMatchObject({ episode: 2, step: 8 });
  expect(screen.getByText(/^1 here, 5.000 in 2 episodes$/)).toBeTruthy();
});

test("only episodes with moments: the button writes the filter and takes it away", async () => {
  show(new Server(async (query) => piece(query)));
  shown.go({ find: "step > 1", filter: "crashed" });
  await settle();
  const button = screen.getByRole("button", { name: "only these episodes" });
  await fireEvent.click(button);
  expect(shown.now.filter).toBe("crashed moments>0");
  expect(button.getAttribute("aria-pressed")).toBe("true");
  await fireEvent.click(button);
  expect(shown.now.filter).toBe("crashed");
});
