// What a query found, without any page: where one goes next, and how it is told.

import type { Moment, Moments } from "../api/schema";
import { count, fixed } from "../model/format";

export interface Here {
  episode: number;
  step: number;
}

/** The listed moment at a step: the one that begins there, else one that holds it; -1 for none. */
export function indexAt(moments: Moment[], here: Here): number {
  const begins = moments.findIndex((one) => one.episode === here.episode && one.step === here.step);
  return begins >= 0 ? begins : moments.findIndex((one) => holds(one, here));
}

function holds(moment: Moment, { episode, step }: Here): boolean {
  return moment.episode === episode && moment.step <= step && step <= moment.until;
}

/**
 * The moment after or before a step. From one of the list it goes on in the order of the list, which
 * may be by rank; from a step between them in the order of time.
 */
export function neighbour(moments: Moment[], here: Here | null, way: 1 | -1): Moment | null {
  if (!here) return (way > 0 ? moments[0] : moments.at(-1)) ?? null;
  const at = indexAt(moments, here);
  if (at >= 0 && (way > 0 || moments[at]!.step === here.step)) return moments[at + way] ?? null;
  const place = ({ episode, step }: Here) => [episode, step] as const;
  const later = (a: Here, b: Here) => {
    const [[ka, ta], [kb, tb]] = [place(a), place(b)];
    return ka - kb || ta - tb;
  };
  return moments
    .filter((one) => way * later(one, here) > 0)
    .reduce<Moment | null>(
      (best, one) => (best === null || way * later(one, best) < 0 ? one : best),
      null,
    );
}

/** How many each episode has. */
export function countsOf({ episode, count: counts }: Moments): Map<number, number> {
  return new Map(episode.map((k, i) => [k, counts[i]!]));
}

/** "81 moments in 43 of 60 episodes"; while it goes on, how far it is. */
export function summary(answer: Moments, episodes: number): string {
  const { found, done, steps, finished } = answer;
  const share = `${Math.floor((100 * done) / Math.max(steps, 1))}%`;
  const far = finished ? "" : `, ${share} searched`;
  if (!found) return (finished ? "no moment" : "none yet") + far;
  const one = found === 1 ? "1 moment" : `${count(found)} moments`;
  return `${one} in ${count(answer.episode.length)} of ${count(episodes)} episodes${far}`;
}

/** "step 3", or "steps 3-7" without the word. */
export function stepsText({ step, until }: Moment): string {
  return step === until ? String(step) : `${step}\u2013${until}`;
}

/** A number of any size in a few figures. */
export function brief(value: number | null): string {
  if (value === null) return "";
  const size = Math.abs(value);
  const plain = size === 0 || (size >= 1e-3 && size < 1e6);
  if (Number.isInteger(value) && plain) return fixed(value, 0);
  const text = plain ? value.toPrecision(4) : value.toExponential(2);
  return text.replaceAll("-", "\u2212");
}

/** What stands before, in and behind a word of a query; its place is told in whole characters. */
export function parts(
  query: string,
  { at, length }: { at: number; length: number },
): [string, string, string] {
  const letters = Array.from(query);
  const [from, to] = [Math.min(at, letters.length), Math.min(at + length, letters.length)];
  return [
    letters.slice(0, from).join(""),
    letters.slice(from, to).join(""),
    letters.slice(to).join(""),
  ];
}

// ---------------------------------------------------------------- only episodes with moments

const ONLY = "moments>0";

export function isOnly(filter: string): boolean {
  return filter.split(/\s+/).includes(ONLY);
}

/** The filter of the table with the term for episodes with moments, or without. */
export function withOnly(filter: string, on: boolean): string {
  const rest = filter.split(/\s+/).filter((term) => term && term !== ONLY);
  return (on ? [...rest, ONLY] : rest).join(" ");
}

// ---------------------------------------------------------------- what was asked before

const MOST = 12;

/** Queries asked, the latest first; one that the new one only continues gives way to it. */
export function remembered(queries: string[], asked: string): string[] {
  const query = asked.trim();
  if (!query) return queries;
  return [query, ...queries.filter((old) => !query.startsWith(old))].slice(0, MOST);
}

export interface Offer {
  query: string;
  recent: boolean;
}

/** Queries to choose from: those asked before, then examples, each once and none as it stands. */
export function offers(recent: string[], examples: string[], text: string): Offer[] {
  const other = (query: string) => query !== text.trim();
  return [
    ...recent.filter(other).map((query) => ({ query, recent: true })),
    ...examples
      .filter((query) => other(query) && !recent.includes(query))
      .map((query) => ({ query, recent: false })),
  ];
}
