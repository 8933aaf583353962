// The view as an address, and back. What equals the default is left out.
//
//   #/                                   library
//   #/recordings/REC                     episodes of a recording
//   #/recordings/REC/episodes/12?step=3  an episode
//   #/recordings/REC/steps?x=..&y=..     map of all steps
//   #/results/RES                        a result

import type { ObservationChange, SceneChange } from "../api/schema";

export type Page = "library" | "recording" | "episode" | "steps" | "result";

/** A second episode beside the first, `shift` steps ahead of the clock. */
export interface Beside {
  recording: string;
  episode: number;
  shift: number;
}

export interface View {
  page: Page;
  recording: string;
  episode: number;
  result: string;
  step: number;
  beside: Beside | null;
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
  zoom: number;
  /** Whether the live view is open, and its changes. */
  live: boolean;
  scene: SceneChange[];
  observation: ObservationChange[];
  targets: string[];
  /** Table of episodes: column, a leading minus for descending, and the filter's text. */
  sort: string;
  filter: string;
  /** Targets on the axes of the map of steps. */
  x: string;
  y: string;
}

export const DEFAULT: View = {
  page: "library",
  recording: "",
  episode: 0,
  result: "",
  step: 0,
  beside: null,
  tracks: null,
  overlays: null,
  layer: null,
  identity: null,
  site: null,
  zoom: 1,
  live: false,
  scene: [],
  observation: [],
  targets: [],
  sort: "episode",
  filter: "",
  x: "",
  y: "",
};

export function read(hash: string): View {
  void hash;
  return { ...DEFAULT };
}

export function write(view: View): string {
  void view;
  return "#/";
}
