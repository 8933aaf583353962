import { expect, it } from "vitest";
import { sampleEntity, sampleEpisode } from "../model/sample";
import { cameraOf, squareAt, zoomed } from "./camera";

it("shows every place the ego visits, and those of other episodes", () => {
  const camera = cameraOf(sampleEpisode());
  expect(camera).toEqual({ centre: [0, 0], half: 35, follows: false });
  const wider = cameraOf(sampleEpisode({ bounds: [-50, 0, 10, 10] }));
  expect(wider.half).toBe(65);
  expect(squareAt(camera, sampleEntity(0, { x: 9 }), 1)).toEqual({ x: -35, y: -35, size: 70 });
});

it("follows the ego where the world is too large or the scene is zoomed", () => {
  const large = cameraOf(sampleEpisode({ bounds: [-500, 0, 500, 0] }));
  expect(large.follows).toBe(true);
  const ego = sampleEntity(0, { x: 300, y: 4 });
  expect(squareAt(large, ego, 1)).toEqual({ x: 246, y: -50, size: 108 });
  const close = squareAt(cameraOf(sampleEpisode()), sampleEntity(0, { x: 9, y: 1 }), 2);
  expect(close).toEqual({ x: -8.5, y: -16.5, size: 35 });
});

it("zooms in steps between whole and close", () => {
  expect(zoomed(1, 1)).toBe(1.4);
  expect(zoomed(1.4, -1)).toBe(1);
  expect(zoomed(1, -1)).toBe(1);
  expect(zoomed(4.9, 1)).toBe(5);
  expect(zoomed(3, 0)).toBe(1);
});
