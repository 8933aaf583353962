// The observation as a list of named numbers.

import { row } from "../api/arrays";
import type { Episode } from "../model/episode";

export interface FeatureRow {
  key: string;
  /** Name of the row of the observation; empty where it has only one. */
  row: string;
  name: string;
}

/** One line a number of the observation, in C order. */
export function featureRows(episode: Episode): FeatureRow[] {
  const { rows, features, obs_shape: shape } = episode.recording;
  const size = shape.reduce((product, n) => product * n, 1);
  const across = shape.at(-1) || 1;
  return Array.from({ length: size }, (_, i) => {
    const which = Math.floor(i / across);
    const name = features[features.length === size ? i : i % across] ?? `number ${i}`;
    const several = shape.length > 1;
    return { key: String(i), row: several ? (rows[which] ?? `row ${which}`) : "", name };
  });
}

/** Largest size of each number over the episode, so that its bar keeps one scale. */
export function featureScales(episode: Episode): number[] {
  const grid = episode.obs;
  if (!grid) return [];
  const size = grid.shape.slice(1).reduce((product, n) => product * n, 1);
  const scales = new Array<number>(size).fill(0);
  for (let t = 0; t < episode.steps; t += 1) {
    const values = row(grid, t);
    for (let i = 0; i < size; i += 1) scales[i] = Math.max(scales[i]!, Math.abs(values[i] ?? 0));
  }
  return scales;
}
