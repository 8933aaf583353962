import { fireEvent, render, screen } from "@testing-library/svelte";
import { tick } from "svelte";
import { beforeEach, expect, it } from "vitest";
import { client } from "../api/client";
import type { Job } from "../api/schema";
import type { Source } from "../api/source";
import { shown } from "../state/view.svelte";
import Provided from "../timeline/testing/Provided.svelte";
import JobsButton from "./JobsButton.svelte";

const JOB: Job = {
  id: "1",
  recording: "rec",
  method: "attention",
  command: "",
  state: "cancelled",
  done: 3,
  total: 12,
  began: "2026-01-01T00:00:00Z",
  ended: "2026-01-01T00:00:02Z",
  result: null,
  message: "cancelled",
};

beforeEach(async () => {
  shown.go({ page: "library" });
  const api = client({ served: true, json: async () => [JOB] } as unknown as Source);
  render(Provided, { api, component: JobsButton, given: {} });
  await fireEvent.click(screen.getByRole("button", { name: "jobs" }));
});
const list = () => screen.queryByRole("group", { name: "jobs" });

it("says once that a job was cancelled", async () => {
  expect(await screen.findAllByText("cancelled")).toHaveLength(1);
});

it.each([
  ["Escape, wherever the focus is", () => fireEvent.keyDown(document.body, { key: "Escape" })],
  ["a press outside", () => fireEvent.pointerDown(document.body)],
  ["another page", () => Promise.resolve(shown.go({ page: "recording", recording: "rec" }))],
])("closes with %s", async (_, leave) => {
  expect(list()).not.toBeNull();
  await leave();
  await tick();
  expect(list()).toBeNull();
});
