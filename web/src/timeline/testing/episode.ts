// An episode of twelve steps in memory, and a source that answers for its tracks and arrays.

import { client, type Client } from "../../api/client";
import type { ArrayRef, RecordingDetail, TrackInfo } from "../../api/schema";
import { Failure, type Source } from "../../api/source";
import type { Episode } from "../../model/episode";

export const STEPS = 12;
export const ACTIONS = ["SLOWER", "IDLE", "FASTER"];
const UNITS = 6;

export const site = Float32Array.from({ length: STEPS * UNITS }, (_, i) => i - 20);
const siteRef: ArrayRef = {
  name: "sites/trunk",
  url: "/arrays",
  dtype: "float32",
  shape: [STEPS, 2, 3],
  offset: 0,
  bytes: site.byteLength,
};

function info(name: string, group: string, shown = false): TrackInfo {
  return { name, unit: "return", group, kind: "line", shown, source: "recording" };
}

export const tracks: TrackInfo[] = [
  ...ACTIONS.map((action) => info(`q[${action}]`, "q", true)),
  info("reward", "reward", true),
  info("margin", "margin"),
  { ...info("forced action", "forced action"), kind: "event" },
];

/** Q of an action: 10 times its index, plus the step. */
export function valueOf(name: string, step: number): number {
  return 10 * ACTIONS.findIndex((action) => name.includes(action)) + step;
}

export interface Asked {
  api: Client;
  paths: string[];
}

export function served(): Asked {
  const paths: string[] = [];
  const source: Source = {
    served: true,
    async json<T>(path: string): Promise<T> {
      paths.push(path);
      const name = decodeURIComponent(path.split("name=")[1] ?? "");
      const known = tracks.find((track) => track.name === name);
      if (!known && !name.includes("q[FASTER]-")) {
        throw new Failure(`unknown target '${name}'. Valid: value, q`, "unknown_name", 404);
      }
      const values = Array.from({ length: STEPS }, (_, t) => valueOf(name, t));
      const { unit, group, kind } = known ?? info(name, name);
      return [
        { name, unit, group, kind, values, python: `import x\nx[${JSON.stringify(name)}]` },
      ] as T;
    },
    async bytes(path: string, from: number, to: number): Promise<ArrayBuffer> {
      paths.push(`${path} ${from} ${to}`);
      return site.buffer.slice(from, to) as ArrayBuffer;
    },
    send: () => Promise.reject(new Error("nothing is sent")),
  };
  return { api: client(source), paths };
}

export function episode(k = 0): Episode {
  const action = Int32Array.from({ length: STEPS }, (_, t) => (t < 5 ? 2 : 0));
  const reward = Float32Array.from({ length: STEPS }, (_, t) => (t === 3 ? 1.5 : 0));
  return {
    recording: {
      id: "rec",
      actions: ACTIONS,
      sites: { trunk: [2, 3] },
      tracks,
    } as unknown as RecordingDetail,
    detail: {
      recording: "rec",
      episode: k,
      seed: 1,
      outcome: "crashed",
      total: 1.5,
      steps: STEPS,
      kinds: [],
      arrays: [siteRef],
      bytes: site.byteLength,
      pictures: "",
      python: "",
    },
    steps: STEPS,
    action: { shape: [STEPS], data: action },
    forced: [4],
    reward: { shape: [STEPS], data: reward },
    outputs: {},
    rowIdentity: null,
    entities: [],
    obs: null,
    bounds: null,
  };
}
