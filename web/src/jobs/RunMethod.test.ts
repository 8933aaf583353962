import { cleanup, render, screen, within } from "@testing-library/svelte";
import { afterEach, expect, test } from "vitest";
import type { RecordingDetail } from "../api/schema";
import RunMethod from "./RunMethod.svelte";

afterEach(cleanup);

const recording = (methods: string[]) =>
  ({ id: "rec", methods, sites: { relu: [16] }, episodes: 3 }) as unknown as RecordingDetail;

test("only methods that can explain the recording are offered, the first of them chosen", () => {
  render(RunMethod, { recording: recording(["traces"]) });
  const form = within(screen.getByRole("form", { name: "run a method" }));
  const method = form.getByLabelText("method") as HTMLSelectElement;
  expect([...method.options].map(({ value }) => value)).toEqual(["traces"]);
  expect((form.getByLabelText("site") as HTMLSelectElement).value).toBe("relu");
});

test("where no method can, that is said", () => {
  render(RunMethod, { recording: recording([]) });
  expect(screen.queryByRole("form")).toBeNull();
  expect(screen.getByText(/No method explains this recording/)).toBeTruthy();
});
