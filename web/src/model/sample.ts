// A small episode for tests: two lanes, an ego, three others, four heads' weights.

import type { EpisodeDetail, OverlayInfo, RecordingDetail } from "../api/schema";
import type { Entity, Episode, Overlay } from "./episode";

export const STEPS = 4;

export function sampleRecording(change: Partial<RecordingDetail> = {}): RecordingDetail {
  return {
    id: "rec",
    path: "rec",
    agent: "driver",
    env: "highway/intersection",
    act: "greedy",
    episodes: 3,
    steps: 12,
    finished: true,
    recorded: null,
    mean_return: null,
    outcomes: [],
    methods: [],
    explain: "",
    problem: null,
    actions: ["SLOWER", "IDLE", "FASTER"],
    rows: ["ego", "vehicle 1"],
    features: ["x", "y"],
    obs_shape: [2, 2],
    obs_dtype: "float32",
    frames: false,
    picture: null,
    large: null,
    large_why: "",
    units: ["m", "m/s"],
    called: [],
    idle: [],
    edits: { move: ["x", "y", "heading"], remove: [], add: ["x", "y"], speed: ["speed"] },
    sites: {},
    queries: ["abs(advantage) top 20", "value drops > 1 within 5"],
    outputs: { q: [3] },
    deciding: "q",
    scene: {
      lanes: [
        {
          from: "a",
          to: "b",
          points: [
            [-60, 0],
            [60, 0],
          ],
          width: 4,
        },
        {
          from: "b",
          to: "goal",
          points: [
            [0, -60],
            [0, 60],
          ],
          width: 4,
        },
      ],
      edges: [
        {
          points: [
            [-60, 2],
            [60, 2],
          ],
          kind: "line",
        },
        {
          points: [
            [-60, 0],
            [60, 0],
          ],
          kind: "none",
        },
      ],
      bounds: [-60, -60, 60, 60],
      destination: { node: "goal", x: 0, y: 60 },
    },
    tracks: [],
    overlays: [],
    live: true,
    live_why: "",
    python: "",
    command: "",
    provenance: {},
    ...change,
  };
}

export function sampleEntity(identity: number, change: Partial<Entity> = {}): Entity {
  const kind = identity ? "vehicle" : "ego";
  const size = { length: 5, width: 2 };
  const place = { x: 10 * identity, y: 0, heading: 0, speed: 8 };
  return { identity, kind, row: identity, ...place, ...size, ...change };
}

export function sampleEpisode(change: Partial<Episode> = {}): Episode {
  const detail: EpisodeDetail = {
    recording: "rec",
    episode: 0,
    seed: 7,
    outcome: "arrived",
    total: 3,
    steps: STEPS,
    kinds: ["ego", "vehicle"],
    arrays: [],
    bytes: 0,
    pictures: "",
    python: "",
  };
  return {
    recording: sampleRecording(),
    detail,
    steps: STEPS,
    action: { shape: [STEPS], data: Int32Array.from([2, 2, 0, 1]) },
    forced: [],
    reward: { shape: [STEPS], data: Float32Array.from([1, 1, 0, 1]) },
    outputs: { q: { shape: [STEPS, 3], data: Float32Array.from({ length: 12 }, (_, i) => i / 4) } },
    rowIdentity: null,
    entities: Array.from({ length: STEPS }, (_, t) => [
      sampleEntity(0, { y: 20 - 5 * t }),
      sampleEntity(1, { x: 10 + t }),
      sampleEntity(2, { row: t < 2 ? 2 : -1 }),
      ...(t > 0 ? [sampleEntity(3, { row: -1 })] : []),
    ]),
    obs: { shape: [STEPS, 2, 2], data: Float32Array.from({ length: 16 }, (_, i) => i - 8) },
    bounds: null,
    ...change,
  };
}

/** Weights 0.1, 0.2, ... of `heads` heads on ego, 1 and 2, growing with the step. */
export function sampleOverlay(heads = 2, change: Partial<OverlayInfo> = {}): Overlay {
  const who = [0, 1, 2];
  const values = new Float32Array(STEPS * heads * who.length);
  for (let i = 0; i < values.length; i += 1) values[i] = ((i % 6) + 1) / 10;
  const identity = Int32Array.from({ length: STEPS * who.length }, (_, i) => who[i % 3]!);
  return {
    info: {
      name: "attention",
      over: "entities",
      layers: Array.from({ length: heads }, (_, head) => `head ${head}`),
      unit: "weight",
      signed: false,
      live: true,
      shown: true,
      ...change,
    },
    values: { shape: [STEPS, heads, 3], data: values },
    identity: { shape: [STEPS, 3], data: identity },
    extent: null,
    low: 0,
    high: 1,
    python: "",
  };
}
