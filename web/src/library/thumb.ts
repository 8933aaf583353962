// The geometry of a thumbnail, in metres.

import { extent } from "../model/format";

export type Bounds = readonly [number, number, number, number];

const WIDTH = 64;
const HEIGHT = 36;

/** Of the whole scene: a picture shows at least this share of it, around the path. */
const SHARE = 0.25;
const RIM = 1.3;

/** The part of the scene to draw, and how many metres a pixel is. */
export function box(
  path: readonly (readonly [number, number])[],
  bounds: Bounds,
): { text: string; unit: number } {
  const [left, right] = extent(path.map(([x]) => x));
  const [low, high] = extent(path.map(([, y]) => y));
  const least = SHARE * Math.max(bounds[2] - bounds[0], bounds[3] - bounds[1], 1);
  const width = Math.max(RIM * (right - left), (RIM * (high - low) * WIDTH) / HEIGHT, least);
  const height = (width * HEIGHT) / WIDTH;
  const corner = [(left + right - width) / 2, (low + high - height) / 2];
  const text = [...corner, width, height].map((value) => value.toFixed(1)).join(" ");
  return { text, unit: width / WIDTH };
}

export function line(points: readonly (readonly [number, number])[]): string {
  const drawn = points.length === 1 ? [...points, ...points] : points;
  return drawn.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

interface Lane {
  points: [number, number][];
  width: number;
}

/** The lanes of a recording's scene, as far as they can be read. */
export function lanes(scene: Record<string, unknown> | null): Lane[] {
  const given = scene?.lanes;
  if (!Array.isArray(given)) return [];
  return given.filter(
    (lane: Partial<Lane> | null): lane is Lane =>
      Array.isArray(lane?.points) && lane.points.length > 1 && typeof lane.width === "number",
  );
}
