import { fireEvent, render, screen, waitFor, within } from "@testing-library/svelte";
import { tick } from "svelte";
import { beforeEach, expect, it, vi } from "vitest";
import { client } from "../api/client";
import { Export, Failure } from "../api/source";
import { live } from "./live.svelte";
import { shown } from "../state/view.svelte";
import { liveServer, smallEpisode } from "./fixture";
import LivePanelIn from "./LivePanelIn.test.svelte";

let k = 100;
function episode(recording: object = {}) {
  const one = smallEpisode(recording);
  one.detail.episode = k;
  return one;
}
beforeEach(() => {
  shown.go({ page: "episode", recording: "rec", episode: (k += 1), step: 0, targets: [] });
});

it("marks that the action changes when a number of the observation is stepped", async () => {
  const { api, questions } = liveServer();
  render(LivePanelIn, { api, episode: episode(), step: 0 });
  screen.getByText("as recorded");
  const cell = screen.getByRole("textbox", { name: "3 vx" });
  await fireEvent.keyDown(cell, { key: "ArrowUp", shiftKey: true });
  await screen.findByText("the action changes");
  expect(shown.now.observation).toEqual([{ index: [1, 1], value: -0.4 }]);
  expect(questions.at(-1)!.observation).toEqual([{ index: [1, 1], value: -0.4 }]);
  const faster = screen.getByRole("row", { name: /FASTER/ });
  expect(within(faster).getByText("3.50")).toBeTruthy();
  expect(within(faster).getByText("+2.50")).toBeTruthy();
  expect(screen.getByText("answer = ask(recording)")).toBeTruthy();

  await fireEvent.click(screen.getByRole("button", { name: /3 vx: back to/ }));
  expect(shown.now.observation).toEqual([]);
  await waitFor(() => expect(screen.queryByText("the action changes")).toBeNull());
});

it("lists a change of the scene and takes it back", async () => {
  const { api } = liveServer();
  render(LivePanelIn, { api, episode: episode(), step: 0 });
  const x = screen.getByRole("textbox", { name: "x in metres" });
  await fireEvent.input(x, { target: { value: "12.5" } });
  await fireEvent.keyDown(x, { key: "Enter" });
  await screen.findByText(/move vehicle 3 to x 12.5 m/);
  await fireEvent.click(screen.getByRole("button", { name: /take back: move vehicle 3/ }));
  expect(shown.now.scene).toEqual([]);
  await fireEvent.click(screen.getByRole("button", { name: "undo" }));
  expect(shown.now.scene).toHaveLength(1);
});

it("keeps what cannot be set in the field, and says why", async () => {
  const { api } = liveServer();
  render(LivePanelIn, { api, episode: episode(), step: 0 });
  for (const [name, text, why] of [
    ["speed in metres per second", "fast", "no number"],
    ["speed in metres per second", "101", "at most 100 m/s"],
    ["x in metres", "99999", "within 1 km of the ego"],
  ] as const) {
    const field = screen.getByRole<HTMLInputElement>("textbox", { name });
    await fireEvent.input(field, { target: { value: text } });
    expect(screen.queryByText(why)).toBeNull();
    await fireEvent.blur(field);
    expect([field.value, field.getAttribute("aria-invalid")]).toEqual([text, "true"]);
    expect(screen.getByText(why).getAttribute("role")).toBe("alert");
    await fireEvent.keyDown(field, { key: "Escape" });
    expect([field.getAttribute("aria-invalid"), screen.queryByText(why)]).toEqual(["false", null]);
  }
  expect(shown.now.scene).toEqual([]);
});

it("says under the field what is wrong with a target", async () => {
  const { api } = liveServer(({ targets }) =>
    targets?.includes("nope") ? new Failure("cannot read 'nope'; e.g. value", "x", 400) : null,
  );
  render(LivePanelIn, { api, episode: episode(), step: 0 });
  const field = screen.getByRole("textbox", { name: "Target" });
  await fireEvent.input(field, { target: { value: "nope" } });
  await fireEvent.click(screen.getByRole("button", { name: "add", description: "" }));
  expect((await screen.findByText("cannot read 'nope'; e.g. value")).getAttribute("role")).toBe(
    "alert",
  );
  expect(field.getAttribute("aria-invalid")).toBe("true");
  expect(shown.now.targets).toEqual([]);
});

it("says why it cannot ask", () => {
  const api = client(new Export({ json: {}, bytes: {} }));
  render(LivePanelIn, { api, episode: episode(), step: 0 });
  expect(screen.getByText(/exported page holds no agent/)).toBeTruthy();
});

it("leaves the page that is gone to alone, and keeps the changes of the step", async () => {
  const { api } = liveServer();
  render(LivePanelIn, { api, episode: episode(), step: 0 });
  live.setSpeed(3, 1);
  await tick();
  const go = vi.spyOn(shown, "go");
  shown.go({ page: "result", result: "res" });
  await tick();
  await Promise.resolve();
  expect(go).toHaveBeenCalledTimes(1); // while it is taken down, the old view would be written
  expect(shown.now.page).toBe("result");
  go.mockRestore();
  shown.go({ page: "episode", recording: "rec", episode: k });
  await tick();
  expect(shown.now.scene).toHaveLength(1);
});
