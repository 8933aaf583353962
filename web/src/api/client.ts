// One function for each resource.

import type {
  AttributionAnswer,
  AttributionChoices,
  AttributionQuestion,
  AttributionRequest,
  EpisodeDetail,
  EpisodeTable,
  FieldAnswer,
  FieldRequest,
  Fork,
  ForkRequest,
  Job,
  JobRequest,
  Library,
  LiveAnswer,
  LiveRequest,
  Moments,
  Note,
  NoteText,
  OverlayValues,
  Picture,
  RecordingDetail,
  ResultDetail,
  StepTable,
  Thumbnail,
  TrackValues,
  TrustLine,
  WhyNotAnswer,
  WhyNotRequest,
} from "./schema";
import { Cached } from "./cached";
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
  moments: (rec: string, query: string, episode: number | null = null) =>
    `/api/recordings/${part(rec)}/moments?query=${part(query)}` +
    (episode === null ? "" : `&episode=${episode}`),
  attribution: (rec: string) => `${paths.recording(rec)}/attribution`,
  result: (res: string) => `/api/results/${part(res)}`,
  figure: (res: string, theme: string) => `/api/results/${part(res)}/figure?theme=${theme}`,
  notes: (rec: string) => `/api/recordings/${part(rec)}/notes`,
  fork: (id: string) => `/api/forks/${part(id)}`,
  job: (id: string) => `/api/jobs/${part(id)}`,
};

/**
 * The page's way to its data. What holds of recordings, episodes and results is remembered; the last
 * argument of what is asked for gives a request up.
 */
export function client(given: Source) {
  const source = new Cached(given);
  const get = <T>(path: string, signal?: AbortSignal) => source.json<T>(path, signal);
  return {
    source: source as Source,
    /** Ask anew for a recording, e.g. after a job; for everything by default. */
    forget: (rec?: string) => source.forget(rec === undefined ? "/" : paths.recording(rec)),
    /** Tell when a recording was made anew while its numbers were read; gives what ends it. */
    whenChanged: (tell: (rec: string) => void) => source.whenChanged(tell),
    library: (signal?: AbortSignal) => get<Library>(paths.library(), signal),
    recording: (rec: string, signal?: AbortSignal) =>
      get<RecordingDetail>(paths.recording(rec), signal),
    episodes: (rec: string, signal?: AbortSignal) => get<EpisodeTable>(paths.episodes(rec), signal),
    episode: (rec: string, k: number, signal?: AbortSignal) =>
      get<EpisodeDetail>(paths.episode(rec, k), signal),
    thumbnail: (rec: string, k: number, signal?: AbortSignal) =>
      get<Thumbnail>(paths.thumbnail(rec, k), signal),
    /** One request a track, so that an exported page holds each of them once. */
    tracks: async (rec: string, k: number, names: string[], signal?: AbortSignal) =>
      (
        await Promise.all(
          names.map((name) => get<TrackValues[]>(paths.tracks(rec, k, [name]), signal)),
        )
      ).flat(),
    /** A step as the engine draws it; where its episode tells that its pictures are. */
    picture: (address: string, step: number, signal?: AbortSignal) =>
      get<Picture>(`${address}/${step}`, signal),
    overlay: (rec: string, k: number, name: string, signal?: AbortSignal) =>
      get<OverlayValues>(paths.overlay(rec, k, name), signal),
    steps: (rec: string, x: string, y: string, signal?: AbortSignal) =>
      get<StepTable>(paths.steps(rec, x, y), signal),
    /** What is found so far: ask again for more. */
    moments: (rec: string, query: string, episode: number | null, signal?: AbortSignal) =>
      get<Moments>(paths.moments(rec, query, episode), signal),
    result: (res: string, signal?: AbortSignal) => get<ResultDetail>(paths.result(res), signal),
    figure: (res: string, theme: string, signal?: AbortSignal) =>
      get<Record<string, unknown>>(paths.figure(res, theme), signal),
    ask: (question: LiveRequest, signal?: AbortSignal) =>
      source.send<LiveAnswer>("POST", "/api/live", question, signal),
    field: (wanted: FieldRequest, signal?: AbortSignal) =>
      source.send<FieldAnswer>("POST", "/api/field", wanted, signal),
    whyNot: (wanted: WhyNotRequest, signal?: AbortSignal) =>
      source.send<WhyNotAnswer>("POST", "/api/why-not", wanted, signal),
    /** Methods, sites and the usual target of explanations. */
    attributionChoices: (rec: string, signal?: AbortSignal) =>
      get<AttributionChoices>(paths.attribution(rec), signal),
    explain: (wanted: AttributionRequest, signal?: AbortSignal) =>
      source.send<AttributionAnswer>("POST", "/api/attribution", wanted, signal),
    /** How far explanations of an episode hold, as far as it is measured: ask again for more. */
    trust: (wanted: AttributionQuestion, signal?: AbortSignal) =>
      source.send<TrustLine>("POST", "/api/attribution/trust", wanted, signal),
    /** Play a fork; it may still be played when the answer comes. */
    playFork: (wanted: ForkRequest, signal?: AbortSignal) =>
      source.send<Fork>("POST", "/api/forks", wanted, signal),
    fork: (id: string, signal?: AbortSignal) => get<Fork>(paths.fork(id), signal),
    stopFork: (id: string) => source.send<Fork>("DELETE", paths.fork(id)),
    jobs: (signal?: AbortSignal) => get<Job[]>("/api/jobs", signal),
    beginJob: (wanted: JobRequest) => source.send<Job>("POST", "/api/jobs", wanted),
    cancelJob: (id: string) => source.send<Job>("DELETE", paths.job(id)),
    notes: (rec: string, signal?: AbortSignal) => get<Note[]>(paths.notes(rec), signal),
    writeNote: (rec: string, note: NoteText) => source.send<Note>("POST", paths.notes(rec), note),
    changeNote: (rec: string, id: string, note: NoteText) =>
      source.send<Note>("PUT", `${paths.notes(rec)}/${part(id)}`, note),
    removeNote: (rec: string, id: string) =>
      source.send<Note>("DELETE", `${paths.notes(rec)}/${part(id)}`),
  };
}

/** Served methods cannot be sent by an exported page; see `source.served`. */
export type Client = ReturnType<typeof client>;
