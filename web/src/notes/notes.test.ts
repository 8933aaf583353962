import { cleanup, fireEvent, render, screen, within } from "@testing-library/svelte";
import { afterEach, expect, test, vi } from "vitest";
import { client } from "../api/client";
import type { Note, NoteText } from "../api/schema";
import { Export, Failure, type Source } from "../api/source";
import { Notes, notesOf, ordered, where } from "./notes.svelte";
import Panel from "./Panel.test.svelte";

afterEach(cleanup);

const note = (id: string, episode: number | null, step: number | null, text = id): Note => ({
  id,
  episode,
  step,
  text,
  written: "2026-01-01T00:00:00",
});

/** A server that keeps notes, or refuses to. */
class Keeper implements Source {
  readonly served = true;
  refuses = false;
  constructor(public kept: Note[]) {}

  async json<T>(): Promise<T> {
    return this.kept as T;
  }
  bytes = async () => new ArrayBuffer(0);
  async send<T>(method: string, path: string, body?: unknown): Promise<T> {
    await Promise.resolve();
    if (this.refuses) throw new Failure("the folder is read-only; choose another", "bad_file", 400);
    const id = decodeURIComponent(path.split("/").at(-1)!);
    const old = this.kept.find((each) => each.id === id);
    if (method === "DELETE") this.kept = this.kept.filter((each) => each !== old);
    const made = { ...(old ?? note(`n${this.kept.length}`, null, null)), ...(body as NoteText) };
    if (method === "POST") this.kept = [...this.kept, made];
    if (method === "PUT") this.kept = this.kept.map((each) => (each === old ? made : each));
    return made as T;
  }
}

test.each(["before the note is taken", "after it"])(
  "a list read %s takes no note away",
  async (when) => {
    const server = new Keeper([]);
    const notes = new Notes(client(server), "rec");
    let answer: (found: Note[]) => void = () => {};
    server.json = () => new Promise((resolve) => (answer = resolve as never));
    const read = notes.load(); // asked before the note is written, answered without it
    const sent = notes.write({ episode: 1, step: 2, text: "look" });
    if (when === "after it") await sent;
    delete (server as Partial<Keeper>).json;
    answer([]);
    await Promise.all([read, sent]);
    await vi.waitFor(() => expect(notes.all).toMatchObject([{ id: "n0", text: "look" }]));
  },
);

test("a note is shown at once, and kept as the server names it", async () => {
  const server = new Keeper([]);
  const notes = new Notes(client(server), "rec");
  const sent = notes.write({ episode: 1, step: 2, text: "look" });
  expect(notes.all).toMatchObject([{ text: "look", written: "" }]);
  expect(await sent).toBe(true);
  expect(notes.all).toMatchObject([{ id: "n0", text: "look", episode: 1, step: 2 }]);
});

test("what the server refuses is taken back, and it is said why", async () => {
  const server = new Keeper([note("a", 1, 1), note("b", 2, null)]);
  const notes = new Notes(client(server), "rec");
  await notes.load();
  server.refuses = true;
  const [first] = notes.all;
  expect(await notes.write({ text: "x" })).toBe(false);
  expect(await notes.change(first!, "y")).toBe(false);
  expect(await notes.remove(first!)).toBe(false);
  expect(notes.all).toEqual(server.kept);
  expect(notes.problem).toBe("The folder is read-only: Choose another");
});

test("all who show the notes of a recording share one list", async () => {
  const api = client(new Keeper([]));
  const onTimeline = notesOf(api, "rec");
  await notesOf(api, "rec").write({ episode: 1, step: 2, text: "look" });
  expect(onTimeline.all).toMatchObject([{ text: "look", step: 2 }]);
  expect(notesOf(api, "other").all).toEqual([]);
  expect(notesOf(client(new Keeper([])), "rec").all).toEqual([]);
});

test("in the order of their places", () => {
  const notes = [note("c", 2, 1), note("b", 2, null), note("d", 10, 0), note("a", null, null)];
  expect(ordered(notes).map(({ id }) => id)).toEqual(["a", "b", "c", "d"]);
  expect(notes.map(where)).toEqual([
    "episode 2, step 1",
    "episode 2",
    "episode 10, step 0",
    "recording",
  ]);
});

test("write, edit, remove and jump with the panel", async () => {
  const server = new Keeper([note("old", 3, 5, "brakes late"), note("far", 9, null, "elsewhere")]);
  const onjump = vi.fn();
  render(Panel, { source: server, recording: "rec", episode: 3, step: 5, onjump });
  await fireEvent.click(await screen.findByRole("button", { name: "episode 3, step 5" }));
  expect(onjump).toHaveBeenCalledWith(3, 5);
  expect(screen.queryByText("elsewhere")).toBeNull();

  await fireEvent.click(screen.getByRole("button", { name: "this episode" }));
  const field = screen.getByRole("textbox", { name: "note on episode 3" });
  await fireEvent.input(field, { target: { value: "a new one" } });
  await fireEvent.keyDown(field, { key: "Enter", ctrlKey: true });
  expect(await screen.findByText("a new one")).toBeTruthy();
  await vi.waitFor(() => expect(server.kept.at(-1)).toMatchObject({ episode: 3, step: null }));

  const item = () => screen.getByText(/brakes/).closest("li")!;
  await fireEvent.click(within(item()).getByRole("button", { name: "edit" }));
  const edited = screen.getByDisplayValue("brakes late");
  await fireEvent.input(edited, { target: { value: "brakes too late" } });
  await fireEvent.keyDown(edited, { key: "Enter", ctrlKey: true });
  expect(await screen.findByText("brakes too late")).toBeTruthy();
  await vi.waitFor(() => expect(server.kept[0]!.text).toBe("brakes too late"));

  await fireEvent.click(within(item()).getByRole("button", { name: "remove" }));
  await vi.waitFor(() => expect(server.kept).toHaveLength(2));
  expect(screen.queryByText(/brakes/)).toBeNull();
});

test("a refused text stays in its field", async () => {
  const server = new Keeper([]);
  server.refuses = true;
  render(Panel, { source: server, recording: "rec", episode: null, step: null, onjump: vi.fn() });
  const field = screen.getByRole<HTMLTextAreaElement>("textbox", { name: "note on recording" });
  await fireEvent.input(field, { target: { value: "long thought" } });
  await fireEvent.click(screen.getByRole("button", { name: "write" }));
  expect((await screen.findByRole("alert")).textContent).toContain("read-only");
  expect(field.value).toBe("long thought");
});

test("an exported page shows its notes and takes none", async () => {
  const source = new Export({
    json: { "/api/recordings/rec/notes": [note("a", 3, 5, "kept")] },
    bytes: {},
  });
  render(Panel, { source, recording: "rec", episode: 3, step: 5, onjump: vi.fn() });
  expect(await screen.findByText("kept")).toBeTruthy();
  expect(screen.queryByRole("textbox")).toBeNull();
  expect(screen.queryByRole("button", { name: "remove" })).toBeNull();
});

test("an exported page without notes says so and shows no error", async () => {
  const source = new Export({ json: {}, bytes: {} });
  render(Panel, { source, recording: "rec", episode: 3, step: 5, onjump: vi.fn() });
  expect(await screen.findByText("No note.")).toBeTruthy();
  expect(screen.queryByRole("alert")).toBeNull();
});
