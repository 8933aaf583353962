// One function for each resource.

import type {
  EpisodeDetail,
  EpisodeTable,
  Job,
  JobRequest,
  Library,
  LiveAnswer,
  LiveRequest,
  Note,
  NoteText,
  OverlayValues,
  RecordingDetail,
  ResultDetail,
  StepTable,
  Thumbnail,
  TrackValues,
} from "./schema";
import type { Source } from "./source";

const part = encodeURIComponent;

export const paths = {
  library: () => "/api/library",
  recording: (rec: string) => `/api/recordings/${part(rec)}`,
  episodes: (rec: string) => `/api/recordings/${part(rec)}/episodes`,
  episode: (rec: string, k: number) => `/api/recordings/${part(rec)}/episodes/${k}`,
  thumbnail: (rec: string, k: number) => `${paths.episode(rec, k)}/thumbnail`,
  tracks: (rec: string, k: number, names: string[]) =>
    `${paths.episode(rec, k)}/tracks?${names.map((name) => `name=${part(name)}`).join("&")}`,
  overlay: (rec: string, k: number, name: string) =>
    `${paths.episode(rec, k)}/overlays/${part(name)}`,
  steps: (rec: string, x: string, y: string) =>
    `/api/recordings/${part(rec)}/steps?x=${part(x)}&y=${part(y)}`,
  result: (res: string) => `/api/results/${part(res)}`,
  figure: (res: string, theme: string) => `/api/results/${part(res)}/figure?theme=${theme}`,
  notes: (rec: string) => `/api/recordings/${part(rec)}/notes`,
  job: (id: string) => `/api/jobs/${part(id)}`,
};

export function client(source: Source) {
  return {
    source,
    library: () => source.json<Library>(paths.library()),
    recording: (rec: string) => source.json<RecordingDetail>(paths.recording(rec)),
    episodes: (rec: string) => source.json<EpisodeTable>(paths.episodes(rec)),
    episode: (rec: string, k: number) => source.json<EpisodeDetail>(paths.episode(rec, k)),
    thumbnail: (rec: string, k: number) => source.json<Thumbnail>(paths.thumbnail(rec, k)),
    /** One request a track, so that an exported page holds each of them once. */
    tracks: async (rec: string, k: number, names: string[]) =>
      (
        await Promise.all(
          names.map((name) => source.json<TrackValues[]>(paths.tracks(rec, k, [name]))),
        )
      ).flat(),
    overlay: (rec: string, k: number, name: string) =>
      source.json<OverlayValues>(paths.overlay(rec, k, name)),
    steps: (rec: string, x: string, y: string) => source.json<StepTable>(paths.steps(rec, x, y)),
    result: (res: string) => source.json<ResultDetail>(paths.result(res)),
    figure: (res: string, theme: string) =>
      source.json<Record<string, unknown>>(paths.figure(res, theme)),
    ask: (question: LiveRequest, signal?: AbortSignal) =>
      source.send<LiveAnswer>("POST", "/api/live", question, signal),
    jobs: () => source.json<Job[]>("/api/jobs"),
    beginJob: (wanted: JobRequest) => source.send<Job>("POST", "/api/jobs", wanted),
    cancelJob: (id: string) => source.send<Job>("DELETE", paths.job(id)),
    notes: (rec: string) => source.json<Note[]>(paths.notes(rec)),
    writeNote: (rec: string, note: NoteText) => source.send<Note>("POST", paths.notes(rec), note),
    changeNote: (rec: string, id: string, note: NoteText) =>
      source.send<Note>("PUT", `${paths.notes(rec)}/${part(id)}`, note),
    removeNote: (rec: string, id: string) =>
      source.send<Note>("DELETE", `${paths.notes(rec)}/${part(id)}`),
  };
}

export type Client = ReturnType<typeof client>;
