// All steps of a recording as points: two numbers each, with episode, step and action.

import type { Client } from "../api/client";
import type { RecordingDetail } from "../api/schema";
import type { Grid } from "../api/arrays";
import { loadTogether } from "../model/episode";
import { extent } from "../model/format";

export type Range = [number, number];

export interface Points {
  /** Which of the steps have both numbers; the other arrays are of these alone. */
  count: number;
  x: Float32Array;
  y: Float32Array;
  episode: Int32Array;
  step: Int32Array;
  action: Int32Array;
  /** Steps that lack a number. */
  missing: number;
  xs: Range;
  ys: Range;
  /** What gives them in Python. */
  python: string;
}

export async function loadPoints(
  api: Client,
  recording: string,
  x: string,
  y: string,
  signal?: AbortSignal,
): Promise<Points> {
  const table = await api.steps(recording, x, y, signal);
  const points = pointsOf(await loadTogether(api, table.arrays));
  return { ...points, python: table.python };
}

export function pointsOf(columns: Record<string, Grid>): Points {
  const [x, y] = [columns["x"]!.data, columns["y"]!.data];
  const kept: number[] = [];
  for (let i = 0; i < x.length; i += 1) {
    if (Number.isFinite(x[i]) && Number.isFinite(y[i])) kept.push(i);
  }
  const all = kept.length === x.length;
  const floats = (name: string) => {
    const data = columns[name]!.data as Float32Array;
    return all ? data : Float32Array.from(kept, (i) => data[i]!);
  };
  const whole = (name: string) => {
    const data = columns[name]!.data as Int32Array;
    return all ? data : Int32Array.from(kept, (i) => data[i]!);
  };
  const [xKept, yKept] = [floats("x"), floats("y")];
  return {
    count: kept.length,
    x: xKept,
    y: yKept,
    episode: whole("episode"),
    step: whole("step"),
    action: whole("action"),
    missing: x.length - kept.length,
    xs: padded(extent(xKept)),
    ys: padded(extent(yKept)),
    python: "",
  };
}

/** A little more than the numbers take, so that no point lies on the edge. */
export function padded([low, high]: Range): Range {
  const more = (high - low) * 0.03;
  return [low - more, high + more];
}

/** Numbers between -1 and 1, the ends of the range. */
export function normalised(values: Float32Array, [low, high]: Range): Float32Array {
  const scale = 2 / (high - low || 1);
  return values.map((value) => (value - low) * scale - 1);
}

export interface ActionCount {
  action: number;
  count: number;
  x: number;
  y: number;
}

export interface Summary {
  count: number;
  episodes: number;
  actions: ActionCount[];
}

/** How many points take each action and their mean numbers; of some points, or all by default. */
export function summarise(points: Points, chosen: ArrayLike<number> | null): Summary {
  const actions = new Map<number, ActionCount>();
  const episodes = new Set<number>();
  const count = chosen ? chosen.length : points.count;
  for (let n = 0; n < count; n += 1) {
    const i = chosen ? chosen[n]! : n;
    const action = points.action[i]!;
    let line = actions.get(action);
    if (!line) actions.set(action, (line = { action, count: 0, x: 0, y: 0 }));
    line.count += 1;
    line.x += points.x[i]!;
    line.y += points.y[i]!;
    episodes.add(points.episode[i]!);
  }
  const lines = [...actions.values()].sort((a, b) => a.action - b.action);
  for (const line of lines) {
    line.x /= line.count;
    line.y /= line.count;
  }
  return { count, episodes: episodes.size, actions: lines };
}

/** Tracks that the axes show where the address names none. */
export function defaultAxes(recording: RecordingDetail): [string, string] {
  const names = recording.tracks.filter(({ kind }) => kind === "line").map(({ name }) => name);
  const first = (...wanted: string[]) => wanted.find((name) => names.includes(name));
  const y = first("value", "return to go") ?? names[0] ?? "value";
  const x = first("margin", "ego speed", "entropy") ?? names.find((name) => name !== y) ?? y;
  return [x, y];
}

/** The nearest point to a place in [-1, 1]; -1 where none is within `reach` (in the same units). */
export class Finder {
  private cells = new Map<number, number[]>();
  private readonly side = 64;

  constructor(
    private x: Float32Array,
    private y: Float32Array,
  ) {
    for (let i = 0; i < x.length; i += 1) {
      const key = this.key(this.cell(x[i]!), this.cell(y[i]!));
      const cell = this.cells.get(key);
      if (cell) cell.push(i);
      else this.cells.set(key, [i]);
    }
  }

  nearest(x: number, y: number, reachX: number, reachY: number): number {
    let [best, least] = [-1, 1];
    for (let cx = this.cell(x - reachX); cx <= this.cell(x + reachX); cx += 1) {
      for (let cy = this.cell(y - reachY); cy <= this.cell(y + reachY); cy += 1) {
        for (const i of this.cells.get(this.key(cx, cy)) ?? []) {
          const [dx, dy] = [(this.x[i]! - x) / reachX, (this.y[i]! - y) / reachY];
          const distance = dx * dx + dy * dy;
          if (distance < least) [best, least] = [i, distance];
        }
      }
    }
    return best;
  }

  private cell(at: number): number {
    return Math.max(0, Math.min(this.side - 1, Math.floor(((at + 1) / 2) * this.side)));
  }

  private key(cx: number, cy: number): number {
    return cx * this.side + cy;
  }
}
