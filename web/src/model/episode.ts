// One episode in the shape the views want it: what is at step t?

import type { Client } from "../api/client";
import { load, row, type Grid } from "../api/arrays";
import type { ArrayRef, EpisodeDetail, OverlayInfo, RecordingDetail } from "../api/schema";

export interface Entity {
  identity: number;
  kind: string;
  row: number;
  x: number;
  y: number;
  heading: number;
  speed: number;
  length: number;
  width: number;
}

/** An overlay of an episode with its numbers; see OverlayValues for the axes. */
export interface Overlay {
  info: OverlayInfo;
  values: Grid;
  identity: Grid | null;
  extent: [number, number, number, number] | null;
  low: number;
  high: number;
  python: string;
}

export interface Episode {
  recording: RecordingDetail;
  detail: EpisodeDetail;
  steps: number;
  /** (T) indices of discrete actions, or (T, D). */
  action: Grid;
  /** Steps at which another action than the policy's was executed. */
  forced: number[];
  reward: Grid;
  /** By output name, (T) or (T, A). */
  outputs: Record<string, Grid>;
  /** (T, R) whom each row of the observation shows; null where nobody knows. */
  rowIdentity: Grid | null;
  /** By step, ordered by identity. */
  entities: Entity[][];
}

/** Weights on one entity at a step, one a layer; null where the overlay does not show it. */
export function weightsOn(overlay: Overlay, step: number, identity: number): number[] | null {
  if (!overlay.identity) return null;
  const who = row(overlay.identity, step);
  const column = who.indexOf(identity);
  if (column < 0) return null;
  const values = row(overlay.values, step);
  return overlay.info.layers.map((_, layer) => values[layer * who.length + column] ?? 0);
}

export function arrayRef(detail: EpisodeDetail, name: string): ArrayRef | null {
  return detail.arrays.find((array) => array.name === name) ?? null;
}

export async function loadOverlay(
  api: Client,
  rec: string,
  k: number,
  name: string,
): Promise<Overlay> {
  const { values, identity, extent, ...rest } = await api.overlay(rec, k, name);
  const [grid, who] = await Promise.all([
    load(api.source, values),
    identity ? load(api.source, identity) : null,
  ]);
  return { ...rest, values: grid, identity: who, extent: extent ?? null };
}
