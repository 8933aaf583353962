// Activations of a site over time as a map: one row a unit, or the strongest of several.

import type { Grid, Numbers } from "../api/arrays";

/** More units than this share rows. */
export const MOST_UNITS = 512;
/** Rows that they then share. */
export const POOLED_ROWS = 192;

export interface Heat {
  steps: number;
  rows: number;
  /** (steps, rows), NaN where there is no value. */
  values: Float32Array;
  /** (steps, rows) unit that gave each value; null where row r is unit r. */
  unit: Int32Array | null;
  units: number;
  /** Of one unit, e.g. [4, 1, 15]. */
  shape: number[];
  low: number;
  high: number;
}

/** A map that is filled block by block, so that the activations need not be held. */
export function emptyHeat(steps: number, shape: number[]): Heat {
  const units = shape.reduce((product, n) => product * n, 1);
  const rows = units > MOST_UNITS ? POOLED_ROWS : units;
  const size = steps * rows;
  const unit = units > MOST_UNITS ? new Int32Array(size) : null;
  const values = new Float32Array(size).fill(NaN);
  return { steps, rows, values, unit, units, shape, low: Infinity, high: -Infinity };
}

/** Write activations (steps, ...) from step `at` on. */
export function fill(heat: Heat, block: Grid, at: number): void {
  const { units, rows } = heat;
  for (let t = 0; t < (block.shape[0] ?? 0) && at + t < heat.steps; t += 1) {
    const given = block.data.subarray(t * units, (t + 1) * units);
    if (heat.unit) pool(heat, given, (at + t) * rows);
    else heat.values.set(given, (at + t) * rows);
    for (const value of given) {
      if (value < heat.low) heat.low = value;
      if (value > heat.high) heat.high = value;
    }
  }
}

function pool(heat: Heat, given: Numbers, offset: number): void {
  for (let unit = 0; unit < heat.units; unit += 1) {
    const cell = offset + Math.floor((unit * heat.rows) / heat.units);
    const held = heat.values[cell]!;
    if (!Number.isNaN(held) && Math.abs(given[unit]!) <= Math.abs(held)) continue;
    heat.values[cell] = given[unit]!;
    heat.unit![cell] = unit;
  }
}

/** The axis of a site that runs over the rows of the observation, -1 for none; the last counts. */
export function rowAxis(shape: number[], rows: number): number {
  return rows > 1 ? shape.lastIndexOf(rows) : -1;
}

export interface ByIdentity {
  heat: Heat;
  identities: number[];
}

/** The map with one row for whom, wherever the observation showed them; NaN where it did not. */
export function byIdentity(heat: Heat, axis: number, rowIdentity: Grid): ByIdentity {
  const identities = [...new Set<number>(rowIdentity.data)].filter((who) => who >= 0);
  identities.sort((a, b) => a - b);
  const column = new Map(identities.map((who, i) => [who, i]));
  const extent = heat.shape[axis]!;
  const inner = heat.shape.slice(axis + 1).reduce((product, n) => product * n, 1);
  const outer = heat.units / extent / inner;
  const shape = heat.shape.with(axis, identities.length);
  const turned = { ...emptyHeat(heat.steps, shape), low: heat.low, high: heat.high };
  // Never pooled: the units were few, and an episode shows few entities.
  const units = outer * identities.length * inner;
  turned.rows = turned.units = units;
  turned.unit = null;
  turned.values = new Float32Array(heat.steps * units).fill(NaN);
  for (let t = 0; t < heat.steps; t += 1) {
    for (let row = 0; row < extent; row += 1) {
      const to = column.get(rowIdentity.data[t * extent + row] ?? -1);
      if (to === undefined) continue;
      for (let o = 0; o < outer; o += 1) {
        const source = t * heat.rows + (o * extent + row) * inner;
        const target = t * units + (o * identities.length + to) * inner;
        turned.values.set(heat.values.subarray(source, source + inner), target);
      }
    }
  }
  return { heat: turned, identities };
}

/** Indices of a unit along the axes of its site. */
export function unitIndex(shape: number[], unit: number): number[] {
  const index = new Array<number>(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    index[axis] = unit % shape[axis]!;
    unit = Math.floor(unit / shape[axis]!);
  }
  return index;
}

/** A unit as a target: site[trunk.relu0][3,17]. */
export function unitTarget(site: string, shape: number[], unit: number): string {
  return `site[${site}][${unitIndex(shape, unit).join(",")}]`;
}

const STRIDES = [1, 2, 3, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128, 200, 256];

/** Rows that get a label where one needs `room` pixels; counted anew for each run of the last axis. */
export function labelledRows(rows: number, run: number, height: number, room = 13): number[] {
  const fits = (n: number) => (height / rows) * n >= room;
  if (run <= 1 || run >= rows || rows % run) run = rows;
  const inner = fits(run) ? run : rows;
  const unit = fits(run) ? 1 : run;
  const stride = unit * (STRIDES.find((n) => fits(n * unit)) ?? rows);
  const found: number[] = [];
  for (let start = 0; start < rows; start += inner) {
    for (let row = 0; row < inner; row += stride) {
      if (row === 0 || inner === rows || row + stride <= inner) found.push(start + row);
    }
  }
  return found;
}
