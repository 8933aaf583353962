// Which part of the world the scene shows, in metres.

import type { Box, Entity, Episode } from "../model/episode";
import { boxOf, egoOf } from "../model/steps";
import type { Background } from "./road";

const ROOM = 14;
const SMALLEST = 25;
const LARGEST = 90;
const CLOSE = 54;
/** Metres: episodes that differ little are seen at one scale. */
const ROUND = 5;

/** A square of the world. */
export interface Square {
  x: number;
  y: number;
  size: number;
}

export interface Camera {
  centre: [number, number];
  half: number;
  /** Whether the scene is too large to show it all. */
  follows: boolean;
}

/** A square that holds every place the ego visits; where that is too large, one that follows it. */
export function cameraOf(episode: Episode): Camera {
  const [left, top, right, bottom] = egoBox(episode);
  const whole = (episode.recording.scene as Background | null)?.bounds;
  const centre = middle(whole ?? [left, top, right, bottom]);
  const far = Math.max(right - centre[0], centre[0] - left, bottom - centre[1], centre[1] - top);
  const reach = Math.max(SMALLEST, Math.ceil((far + ROOM) / ROUND) * ROUND);
  const follows = reach > LARGEST;
  return { centre, half: follows ? CLOSE : reach, follows };
}

/** Where the ego goes in this episode and in those that stand for the recording. */
function egoBox(episode: Episode): Box {
  const points = egoPlaces(episode);
  const box = episode.bounds;
  if (box) points.push([box[0], box[1]], [box[2], box[3]]);
  return boxOf(points) ?? [0, 0, 0, 0];
}

function egoPlaces(episode: Episode): [number, number][] {
  return episode.entities.flatMap((entities) => {
    const ego = egoOf(entities);
    return ego ? [[ego.x, ego.y]] : [];
  });
}

function middle([left, top, right, bottom]: Box): [number, number] {
  return [(left + right) / 2, (top + bottom) / 2];
}

export function squareAt(camera: Camera, ego: Entity | undefined, zoom: number): Square {
  const follow = (camera.follows || zoom > 1) && ego;
  const [x, y] = follow ? [ego.x, ego.y] : camera.centre;
  const half = camera.half / zoom;
  return { x: x - half, y: y - half, size: 2 * half };
}

const ZOOM_STEP = 1.4;
const LARGEST_ZOOM = 5;

/** The zoom one step in (1) or out (-1), or the whole scene (0). */
export function zoomed(zoom: number, way: 1 | 0 | -1): number {
  if (!way) return 1;
  const next = Math.min(Math.max(zoom * ZOOM_STEP ** way, 1), LARGEST_ZOOM);
  return Math.round(next * 1000) / 1000;
}
