import { fireEvent, render, screen, waitFor } from "@testing-library/svelte";
import { expect, test } from "vitest";
import { episode, served } from "./testing/episode";
import Provided from "./testing/Provided.svelte";
import TrackPicker from "./TrackPicker.svelte";

async function picker(names = ["margin"]) {
  const given: string[][] = [];
  const props = { episode: episode(), names, onchoose: (chosen: string[]) => given.push(chosen) };
  render(Provided, { api: served().api, component: TrackPicker, given: props });
  await fireEvent.click(screen.getByText("+ tracks"));
  return given;
}

async function type(target: string) {
  const field = screen.getByLabelText<HTMLInputElement>("target");
  await fireEvent.input(field, { target: { value: target } });
  await fireEvent.submit(field.closest("form")!);
  return field;
}

test("boxes add and remove tracks", async () => {
  const given = await picker();
  expect(screen.getByLabelText<HTMLInputElement>(/margin/).checked).toBe(true);
  await fireEvent.click(screen.getByLabelText(/FASTER/));
  await fireEvent.click(screen.getByLabelText(/margin/));
  expect(given).toEqual([["margin", "q[FASTER]"], []]);
});

test("the search narrows them down", async () => {
  await picker();
  const search = screen.getByLabelText("search tracks");
  expect(document.activeElement).toBe(search);
  await fireEvent.input(search, { target: { value: "fast" } });
  expect(screen.getAllByRole("checkbox")).toHaveLength(1);
  await fireEvent.input(search, { target: { value: "xyz" } });
  expect(screen.getByText(/No track has "xyz"/)).toBeTruthy();
});

test("any target can be added", async () => {
  const given = await picker();
  const field = await type(" q[FASTER]-q[SLOWER] ");
  await waitFor(() => expect(given).toEqual([["margin", "q[FASTER]-q[SLOWER]"]]));
  expect(field.value).toBe("");
});

test("what the server says about a wrong one stands under the field", async () => {
  const given = await picker();
  const field = await type("q[FASTR]");
  const problem = document.getElementById(field.getAttribute("aria-describedby")!)!;
  await waitFor(() => expect(problem.textContent).toContain("unknown target 'q[FASTR]'"));
  expect(field.getAttribute("aria-invalid")).toBe("true");
  expect([field.value, given.length]).toEqual(["q[FASTR]", 0]);
  await fireEvent.input(field, { target: { value: "q[FASTER]" } });
  expect(problem.textContent).toBe("");
});

test("Escape closes it and gives the focus back", async () => {
  await picker();
  await fireEvent.keyDown(screen.getByLabelText("search tracks"), { key: "Escape" });
  expect(screen.queryByLabelText("search tracks")).toBeNull();
  expect(document.activeElement?.textContent).toContain("tracks");
});
