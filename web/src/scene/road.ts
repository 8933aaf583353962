// The background of the scene: lanes, their edges and the way to the destination.

import type { Square } from "./camera";

type Point = [number, number];

export interface Lane {
  from: string;
  to: string;
  points: Point[];
  width: number;
}

export interface Background {
  lanes?: Lane[];
  edges?: { points: Point[]; kind: string }[];
  bounds?: [number, number, number, number];
  destination?: { node: string; x: number; y: number } | null;
}

export function pathOf(points: Point[]): string {
  return points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("");
}

export interface GoalMark {
  node: string;
  x: number;
  y: number;
  scale: number;
  angle: number;
  anchor: "start" | "middle" | "end";
}

/** The destination's mark, kept inside the view along the lane that leads to it. */
export function goalMark(scene: Background, view: Square): GoalMark | null {
  const goal = scene.destination;
  if (!goal) return null;
  const lane = scene.lanes?.find((candidate) => candidate.to === goal.node);
  let [x, y] = [goal.x, goal.y];
  let [ux, uy] = [0, 0];
  const before = lane?.points.at(-2);
  if (before) {
    const length = Math.hypot(goal.x - before[0], goal.y - before[1]) || 1;
    [ux, uy] = [(goal.x - before[0]) / length, (goal.y - before[1]) / length];
    const room = view.size * 0.045;
    for (let back = 0; back < length && !inside(x, y, view, room); back += 0.5) {
      [x, y] = [goal.x - ux * back, goal.y - uy * back];
    }
  }
  if (!inside(x, y, view, 0)) return null;
  const across = (x - view.x) / view.size;
  return {
    node: goal.node,
    x,
    y,
    scale: view.size / 130,
    angle: (Math.atan2(uy, ux) * 180) / Math.PI,
    anchor: across < 0.2 ? "start" : across > 0.8 ? "end" : "middle",
  };
}

function inside(x: number, y: number, view: Square, room: number): boolean {
  return (
    x > view.x + room &&
    x < view.x + view.size - room &&
    y > view.y + room &&
    y < view.y + view.size - room
  );
}
