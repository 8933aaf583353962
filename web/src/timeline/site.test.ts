import { expect, test } from "vitest";
import { loadHeat } from "./site";
import { episode, served, site, STEPS } from "./testing/episode";

const ref = episode().detail.arrays[0]!;

test("a site is read in blocks of whole steps", async () => {
  const { api, paths } = served();
  const heat = await loadHeat(api.source, ref, new AbortController().signal, 5 * 6 * 4);
  expect(paths).toEqual(["/arrays 0 120", "/arrays 120 240", "/arrays 240 288"]);
  expect([...heat.values]).toEqual([...site]);
  expect(heat.steps).toBe(STEPS);
});

test("nothing more is read once it is not wanted", async () => {
  const { api, paths } = served();
  const stop = new AbortController();
  const reading = loadHeat(api.source, ref, stop.signal, 24);
  stop.abort();
  await reading;
  expect(paths).toHaveLength(1);
});
