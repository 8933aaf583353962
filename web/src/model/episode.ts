// One episode in the shape the views want it: what is at step t?

import { decode, load, row, type Grid } from "../api/arrays";
import type { Client } from "../api/client";
import type { ArrayRef, EpisodeDetail, OverlayInfo, RecordingDetail } from "../api/schema";
import { effects, namesOf } from "./actions";
import { plural } from "./format";
import { Recent } from "./recent";
import { boxOf, changedSteps, entitiesByStep, nameOfAction } from "./steps";

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
  /** Step of the first row of `values`, where not all steps are there. */
  first?: number;
  identity: Grid | null;
  extent: [number, number, number, number] | null;
  low: number;
  high: number;
  python: string;
}

export type Box = [number, number, number, number];

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
  /** (T, ...) what the agent saw; null for images, which are read as they are shown. */
  obs: Grid | null;
  /** Where the ego goes in some episodes of the recording, in metres; null where nobody told. */
  bounds: Box | null;
}

const MEMORY = 96 * 2 ** 20;
const GAP = 64 * 1024;
/** Episodes that tell where the ego of a recording goes. */
const SAMPLES = 5;

const episodes = new Recent<Episode>(MEMORY / 2, heldBytes);
const overlays = new Recent<Overlay>(
  MEMORY,
  ({ values, identity }) => values.data.byteLength + (identity?.data.byteLength ?? 0),
);
const recordings = new Recent<RecordingDetail>(16, () => 1);
const boxes = new Recent<Box | null>(16, () => 1);

/** Ask anew for all there is of a recording, e.g. after a job; for everything by default. */
export function forget(api: Client, rec?: string): void {
  api.forget(rec);
  const of = (key: string) => rec === undefined || key === rec || key.startsWith(`${rec} `);
  for (const kept of [recordings, boxes, episodes, overlays]) kept.dropWhere(of);
}

export function loadRecording(api: Client, rec: string): Promise<RecordingDetail> {
  return recordings.get(rec, () => api.recording(rec));
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

/** The name of the action executed at a step. */
export function actionName(episode: Episode, step: number): string {
  return nameOfAction(namesOf(episode.recording), row(episode.action, step));
}

/** Steps whose action differs from that of the step before; none for continuous actions. */
export function actionChanges(episode: Episode): number[] {
  const { recording, action } = episode;
  if (!recording.actions.length) return [];
  return changedSteps({ ...action, data: effects(recording, action.data) });
}

/** Kinds whose entities go without a number, as in `envs/entities.py`. */
const ALONE = ["ego", "player", "mouse", "coin", "cheese", "wall", "lava"];

/** What an entity is called where there is little room: "ego", "3", "coin", "saw 3". */
export function entityName(identity: number, kind = ""): string {
  if (!kind || isTraffic(kind)) return identity === 0 ? "ego" : String(identity);
  return ALONE.includes(kind) ? kind : `${kind} ${identity}`;
}

/** What an entity is called in a sentence: "ego", "vehicle 3", "saw 3". */
export function entityTitle(identity: number, kind = ""): string {
  if (identity && (!kind || isTraffic(kind))) return `vehicle ${identity}`;
  return entityName(identity, kind);
}

/** What all entities of a kind together are called, as `envs/entities.py` does. */
export function kindTitle(kind: string): string {
  return ALONE.includes(kind) && kind !== "wall" ? kind : plural(kind);
}

function isTraffic(kind: string): boolean {
  return kind === "ego" || kind === "vehicle";
}

/** One episode: a request for where things lie, and one for all numbers but the sites'. */
export async function loadEpisode(api: Client, rec: string, k: number): Promise<Episode> {
  const recording = await loadRecording(api, rec);
  const episode = await episodes.get(`${rec} ${k}`, async () => {
    const numbers = async () => {
      const detail = await api.episode(rec, k);
      return { detail, grids: await loadTogether(api, smallArrays(recording, detail)) };
    };
    const [{ detail, grids }, bounds] = await Promise.all([
      numbers(),
      recording.scene && !recording.frames ? boxes.get(rec, () => egoBox(api, recording)) : null,
    ]);
    return assemble(recording, detail, grids, bounds);
  });
  return episode.recording === recording ? episode : { ...episode, recording };
}

/** What was played on from a step of an episode, as an episode of its own that nobody recorded. */
export async function loadFuture(
  api: Client,
  recorded: Episode,
  detail: EpisodeDetail,
): Promise<Episode> {
  const grids = await loadTogether(api, smallArrays(recorded.recording, detail));
  return assemble(recorded.recording, detail, grids, recorded.bounds);
}

/** Where the ego goes in some episodes of the recording, so that all are seen at one scale. */
async function egoBox(api: Client, { id, episodes: count }: RecordingDetail): Promise<Box | null> {
  const chosen = Array.from({ length: SAMPLES }, (_, i) =>
    Math.round((i * Math.max(count - 1, 0)) / (SAMPLES - 1)),
  );
  const told = await Promise.allSettled([...new Set(chosen)].map((k) => api.thumbnail(id, k)));
  const points = told.flatMap((one) => (one.status === "fulfilled" && one.value.path) || []);
  return boxOf(points.map(([x, y]) => [x!, y!]));
}

/** What an episode keeps in memory: not the sites, nor pictures. */
function heldBytes({ recording, detail }: Episode): number {
  const kept = smallArrays(recording, detail);
  return kept.reduce((sum, array) => sum + array.bytes, 4096);
}

function smallArrays(recording: RecordingDetail, detail: EpisodeDetail): ArrayRef[] {
  return detail.arrays.filter((array) => isSmall(array.name, recording.frames));
}

function isSmall(name: string, frames: boolean): boolean {
  return !name.startsWith("sites/") && !(frames && (name === "obs" || name === "final_obs"));
}

/** Arrays of one file in as few requests as they lie together. */
export async function loadTogether(api: Client, wanted: ArrayRef[]): Promise<Record<string, Grid>> {
  const runs: ArrayRef[][] = [];
  const ordered = [...wanted].sort((a, b) => a.offset - b.offset);
  for (const ref of ordered) {
    const last = runs.at(-1)?.at(-1);
    const near = last && last.url === ref.url && ref.offset - (last.offset + last.bytes) <= GAP;
    if (near) runs.at(-1)!.push(ref);
    else runs.push([ref]);
  }
  const grids: Record<string, Grid> = {};
  await Promise.all(
    runs.map(async (run) => {
      const [first, last] = [run[0]!, run.at(-1)!];
      const bytes = await api.source.bytes(first.url, first.offset, last.offset + last.bytes);
      for (const ref of run) {
        const from = ref.offset - first.offset;
        const data = decode(ref.dtype, bytes.slice(from, from + ref.bytes));
        grids[ref.name] = { shape: ref.shape, data };
      }
    }),
  );
  return grids;
}

function assemble(
  recording: RecordingDetail,
  detail: EpisodeDetail,
  grids: Record<string, Grid>,
  box: Box | null,
): Episode {
  const empty: Grid = { shape: [detail.steps], data: new Float32Array(detail.steps) };
  const action = grids["action"] ?? empty;
  const policy = grids["policy_action"];
  const outputs: Record<string, Grid> = {};
  for (const [name, grid] of Object.entries(grids)) {
    if (name.startsWith("outputs/")) outputs[name.slice("outputs/".length)] = grid;
  }
  return {
    recording,
    detail,
    steps: detail.steps,
    action,
    forced: policy ? differingRows(action, policy) : [],
    reward: grids["reward"] ?? empty,
    outputs,
    rowIdentity: grids["row_identity"] ?? null,
    entities: entitiesByStep(detail.steps, detail.kinds, grids),
    obs: grids["obs"] ?? null,
    bounds: box,
  };
}

function differingRows(one: Grid, other: Grid): number[] {
  const rows: number[] = [];
  for (let t = 0; t < (one.shape[0] ?? 0); t += 1) {
    const b = row(other, t);
    if (row(one, t).some((value, i) => value !== b[i])) rows.push(t);
  }
  return rows;
}

export function loadOverlay(api: Client, rec: string, k: number, name: string): Promise<Overlay> {
  return overlays.get(`${rec} ${k} ${name}`, async () => {
    const { values, identity, extent, ...rest } = await api.overlay(rec, k, name);
    const [grid, who] = await Promise.all([
      load(api.source, values),
      identity ? load(api.source, identity) : null,
    ]);
    return { ...rest, values: grid, identity: who, extent: extent ?? null };
  });
}
