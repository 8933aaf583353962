// A small episode and a server that answers, for tests.

import type { Grid } from "../api/arrays";
import { client, type Client } from "../api/client";
import type { LiveAnswer, LiveRequest } from "../api/schema";
import type { Source } from "../api/source";
import type { Entity, Episode } from "../model/episode";

const grid = (shape: number[], numbers: number[]): Grid => ({
  shape,
  data: Float32Array.from(numbers),
});

function entity(identity: number, row: number): Entity {
  const place = { x: 10 * identity, y: 0, heading: 0, speed: 8, length: 5, width: 2 };
  return { identity, kind: identity ? "vehicle" : "ego", row, ...place };
}

/** Two steps, two vehicles, three rows of two features; the third row shows nobody. */
export function smallEpisode(recording: object = {}): Episode {
  const entities = [entity(0, 0), entity(3, 1)];
  return {
    recording: {
      id: "rec",
      actions: ["SLOWER", "FASTER"],
      rows: ["row 0", "row 1", "row 2"],
      features: ["x", "vx"],
      obs_shape: [3, 2],
      frames: false,
      picture: null,
      units: ["m", "m/s"],
      called: [],
      idle: [],
      edits: { move: ["x", "y", "heading"], remove: [], add: ["x", "y"], speed: ["speed"] },
      deciding: "q",
      live: true,
      live_why: "",
      ...recording,
    },
    detail: { recording: "rec", episode: 0 },
    steps: 2,
    action: { shape: [2], data: Int32Array.of(0, 1) },
    forced: [],
    reward: grid([2], [0, 0]),
    outputs: { q: grid([2, 2], [2, 1, 1, 2]) },
    rowIdentity: { shape: [2, 3], data: Int32Array.of(0, 3, -1, 0, 3, -1) },
    entities: [entities, entities],
    obs: grid([2, 3, 2], [0, 0.5, 0.25, -0.5, 0, 0, 0, 0.5, 0.25, -0.5, 0, 0]),
    bounds: null,
  } as unknown as Episode;
}

/** An agent that goes FASTER once anything is changed. */
export function liveAnswer(question: LiveRequest): LiveAnswer {
  const changed = Boolean(question.scene?.length || question.observation?.length);
  const observation = [
    [0, 0.5],
    [0.25, -0.5],
    [0, 0],
  ];
  return {
    twin: question.step,
    action: [changed ? 1 : 0],
    recorded_action: [0],
    recorded_best: [0],
    outputs: { q: changed ? [2, 3.5] : [2, 1] },
    recorded_outputs: { q: [2, 1] },
    observation,
    recorded_observation: observation,
    entities: [entity(0, 0), entity(3, 1)],
    overlays: [],
    targets: (question.targets ?? []).map((target) => ({
      target,
      recorded: 1,
      value: changed ? 1.5 : 1,
    })),
    python: "answer = ask(recording)",
    milliseconds: 4.2,
  };
}

export interface Asked {
  api: Client;
  questions: LiveRequest[];
}

/** `refuse` gives what is wrong with a question, or null. */
export function liveServer(refuse: (question: LiveRequest) => Error | null = () => null): Asked {
  const questions: LiveRequest[] = [];
  const source = {
    served: true,
    send: async (_method: string, path: string, question: LiveRequest) => {
      if (path !== "/api/live") throw new Error(`nobody answers ${path}`);
      questions.push(question);
      const wrong = refuse(question);
      if (wrong) throw wrong;
      return liveAnswer(question);
    },
  };
  return { api: client(source as unknown as Source), questions };
}
