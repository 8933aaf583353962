// The view as an address, and back. What equals the default is left out.
//
//   #/                                   library
//   #/recordings/REC                     episodes of a recording
//   #/recordings/REC/episodes/12?step=3  an episode
//   #/recordings/REC/steps?x=..&y=..     map of all steps
//   #/results/RES                        a result

import type { ObservationChange, SceneChange } from "../api/schema";
import {
  decode,
  encode,
  positive,
  readBeside,
  readExplain,
  readFork,
  readList,
  readLook,
  readObservation,
  readPart,
  readScene,
  readWholes,
  whole,
  wholeFrom0,
  writeBeside,
  writeExplain,
  writeFork,
  writeList,
  writeNumbers,
  writeObservation,
  writeScene,
} from "./words";

export type Page = "library" | "recording" | "episode" | "steps" | "result";

/** A second episode beside the first, `shift` steps ahead of the clock. */
export interface Beside {
  recording: string;
  episode: number;
  shift: number;
}

/** What follows a step with changes and without, played on in so many pairs. */
export interface ForkPlace {
  step: number;
  pairs: number;
  scene: SceneChange[];
  /** More changes as the command line takes them, of activations too. */
  edits: string[];
  /** Decisions that changes of activations last; null to the end. */
  during: number | null;
}

/** What is explained, by which method, at which site; an empty target is the usual one. */
export interface ExplainPlace {
  method: string;
  site: string;
  target: string;
}

/** Which of the parts below the scene is open; the live view has a field of its own. */
export type Tab = "changes" | "explain" | "why" | "notes" | "moments";

/** Part of an axis, from its first number up to its last. */
export type Part = [from: number, to: number];

export interface View {
  page: Page;
  recording: string;
  episode: number;
  result: string;
  step: number;
  beside: Beside | null;
  fork: ForkPlace | null;
  /** Tracks shown; null for those the recording shows by itself. */
  tracks: string[] | null;
  /** Overlays shown; null likewise. */
  overlays: string[] | null;
  /** Pinned layer. */
  layer: number | null;
  /** Pinned entity. */
  identity: number | null;
  /** Site whose heat map is shown. */
  site: string | null;
  /** Whether its rows stay those of the observation rather than follow who they show. */
  byrow: boolean;
  zoom: number;
  /** Whether pictures are as large as the engine draws them. */
  large: boolean;
  /** Kinds of objects that are marked in pictures; null for those marked by themselves. */
  kinds: string[] | null;
  /** Steps that the timeline shows; null for all. */
  part: Part | null;
  tab: Tab;
  /** What the tab "Explain" asks; null for what it asks by itself. */
  explain: ExplainPlace | null;
  /** Action that is asked for why the agent does not take it. */
  why: number | null;
  /** Whether the policy field is drawn over the picture. */
  field: boolean;
  /** Whether the live view is open, and its changes. */
  live: boolean;
  /** Whether the changes go along from step to step. */
  pinned: boolean;
  scene: SceneChange[];
  observation: ObservationChange[];
  /** Actions executed before the agent is asked. */
  actions: number[];
  targets: string[];
  /** Table of episodes: column, a leading minus for descending, and the filter's text. */
  sort: string;
  filter: string;
  /** Query for moments. */
  find: string;
  /** Targets on the axes of the map of steps. */
  x: string;
  y: string;
  /** Where the map of steps is looked at: its middle across and up, and how far away; null for all. */
  look: [number, number, number] | null;
}

export const DEFAULT: View = {
  page: "library",
  recording: "",
  episode: 0,
  result: "",
  step: 0,
  beside: null,
  fork: null,
  tracks: null,
  overlays: null,
  layer: null,
  identity: null,
  site: null,
  byrow: false,
  zoom: 1,
  large: false,
  kinds: null,
  part: null,
  tab: "changes",
  explain: null,
  why: null,
  field: false,
  live: false,
  pinned: false,
  scene: [],
  observation: [],
  actions: [],
  targets: [],
  sort: "episode",
  filter: "",
  find: "",
  x: "",
  y: "",
  look: null,
};

/** The view that an address stands for; what cannot be read is as by default. */
export function read(hash: string): View {
  const [path = "", query = ""] = cut(hash.replace(/^#/, ""), "?");
  const view = { ...DEFAULT, ...place(path.split("/").filter(Boolean).map(decode)) };
  for (const [name, raw] of query.split("&").map((pair) => cut(pair, "="))) {
    const field = FIELDS.find((known) => known.name === name);
    if (field && raw !== undefined) field.set(view, raw);
  }
  return view;
}

export function write(view: View): string {
  const path = pathOf(view);
  const pairs = FIELDS.flatMap((field) => {
    if (path.says.includes(field.name)) return [];
    const raw = field.get(view);
    return raw === null ? [] : [`${field.name}=${raw}`];
  });
  return `#${path.text}${pairs.length ? `?${pairs.join("&")}` : ""}`;
}

function pathOf(view: View): { text: string; says: (keyof View)[] } {
  const recording = `/recordings/${encode(view.recording)}`;
  switch (view.page) {
    case "library":
      return { text: "/", says: [] };
    case "recording":
      return { text: recording, says: ["recording"] };
    case "episode":
      return { text: `${recording}/episodes/${view.episode}`, says: ["recording", "episode"] };
    case "steps":
      return { text: `${recording}/steps`, says: ["recording"] };
    case "result":
      return { text: `/results/${encode(view.result)}`, says: ["result"] };
  }
}

function place([kind, id, part, number]: (string | null)[]): Partial<View> {
  if (kind === "results" && id) return { page: "result", result: id };
  if (kind !== "recordings" || !id) return {};
  if (part === "steps") return { page: "steps", recording: id };
  const episode = part === "episodes" ? wholeFrom0(number ?? "") : null;
  if (episode === null) return { page: "recording", recording: id };
  return { page: "episode", recording: id, episode };
}

function cut(text: string, at: string): [string, string | undefined] {
  const index = text.indexOf(at);
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)];
}

// ---------------------------------------------------------------- the fields of the query

/** `get` gives null for what is left out; `set` leaves the view as it is where it cannot read. */
interface Field {
  name: keyof View;
  get(view: View): string | null;
  set(view: View, raw: string): void;
}

function field<Name extends keyof View>(
  name: Name,
  text: (value: NonNullable<View[Name]>) => string,
  parse: (raw: string) => View[Name] | null,
): Field {
  return {
    name,
    get(view) {
      const value = view[name];
      if (value === null || value === undefined || value === DEFAULT[name]) return null;
      const empty = Array.isArray(value) && Array.isArray(DEFAULT[name]) && !value.length;
      return empty ? null : text(value);
    },
    set(view, raw) {
      const value = parse(raw);
      if (value !== null) view[name] = value;
    },
  };
}

function flag(name: "byrow" | "field" | "large" | "live" | "pinned"): Field {
  return field(
    name,
    () => "1",
    (raw) => (raw === "1" ? true : null),
  );
}

const TABS: Tab[] = ["explain", "why", "notes", "moments"];

const FIELDS: Field[] = [
  field("recording", encode, decode),
  field("episode", String, wholeFrom0),
  field("result", encode, decode),
  field("step", String, wholeFrom0),
  field("beside", writeBeside, readBeside),
  field("fork", writeFork, readFork),
  field("tracks", writeList, readList),
  field("overlays", writeList, readList),
  field("layer", String, wholeFrom0),
  field("identity", String, whole),
  field("site", encode, decode),
  flag("byrow"),
  field("zoom", String, positive),
  flag("large"),
  field("kinds", writeList, readList),
  field("part", writeNumbers, readPart),
  field("tab", String, (raw) => TABS.find((tab) => tab === raw) ?? null),
  field("explain", writeExplain, readExplain),
  field("why", String, wholeFrom0),
  flag("field"),
  flag("live"),
  flag("pinned"),
  field("scene", writeScene, readScene),
  field("observation", writeObservation, readObservation),
  field("actions", writeNumbers, readWholes),
  field("targets", writeList, readList),
  field("sort", encode, decode),
  field("filter", encode, decode),
  field("find", encode, decode),
  field("x", encode, decode),
  field("y", encode, decode),
  field("look", writeNumbers, readLook),
];
