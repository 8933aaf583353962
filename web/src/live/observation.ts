// The observation as a table: a line for each row that shows someone, a cell for each feature.

import { row } from "../api/arrays";
import type { LiveAnswer, ObservationChange } from "../api/schema";
import { entityName, type Episode } from "../model/episode";

export interface Cell {
  /** Place in the observation. */
  index: number[];
  recorded: number;
  now: number;
  /** Set by hand; where not, a difference comes from the changed scene. */
  set: boolean;
}

export interface Line {
  name: string;
  /** Whom it shows now, if that is known. */
  identity: number | null;
  cells: Cell[];
}

export interface Table {
  features: string[];
  lines: Line[];
  /** Rows that show nobody, recorded and now. */
  empty: number;
}

const MOST = 1024;

/** The table; null for pictures and for observations too large to list. */
export function observationTable(
  episode: Episode,
  step: number,
  answer: LiveAnswer | null,
  changes: readonly ObservationChange[],
): Table | null {
  const { obs, recording } = episode;
  const shape = recording.obs_shape;
  const size = shape.reduce((product, n) => product * n, 1);
  if (!obs || recording.frames || shape.length > 2 || shape.length < 1 || size > MOST) return null;
  const recorded = row(obs, step);
  const told = answer ? (answer.observation.flat() as number[]) : [];
  const set = new Map(changes.map(({ index, value }) => [index.join(), value]));
  const width = shape.at(-1)!;
  const cell = (index: number[], at: number): Cell => {
    const changed = set.get(index.join());
    return {
      index,
      recorded: recorded[at]!,
      now: changed ?? told[at] ?? recorded[at]!,
      set: changed !== undefined,
    };
  };
  const features = Array.from({ length: width }, (_, i) => recording.features[i] ?? String(i));
  if (shape.length === 1) {
    const lines = features.map((name, i) => ({ name, identity: null, cells: [cell([i], i)] }));
    return { features: ["value"], lines, empty: 0 };
  }
  const shows = shownIn(episode, step, answer);
  const lines: Line[] = [];
  for (let i = 0; i < shape[0]!; i += 1) {
    const cells = features.map((_, j) => cell([i, j], i * width + j));
    const identity = shows?.get(i) ?? null;
    const used = cells.some(({ set, now, recorded }) => set || now !== 0 || recorded !== 0);
    if (!used && identity === null) continue;
    const name = identity === null ? (recording.rows[i] ?? `row ${i}`) : entityName(identity);
    lines.push({ name, identity, cells });
  }
  return { features, lines, empty: shape[0]! - lines.length };
}

/** Whom each row shows; null where nobody knows. */
function shownIn(
  episode: Episode,
  step: number,
  answer: LiveAnswer | null,
): Map<number, number> | null {
  if (answer?.entities.length) {
    const seen = answer.entities.filter((entity) => entity.row >= 0);
    return new Map(seen.map(({ row, identity }) => [row, identity]));
  }
  if (!episode.rowIdentity) return null;
  const who = Array.from(row(episode.rowIdentity, step), (identity, i) => [i, identity] as const);
  return new Map(who.filter(([, identity]) => identity >= 0));
}

/** A number with as few digits as tell it, e.g. "0.52", "−1", "12.5". */
export function short(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const digits = Math.abs(value) >= 100 ? 1 : Math.abs(value) >= 10 ? 2 : 3;
  return String(Number(value.toFixed(digits)) + 0).replace("-", "\u2212");
}

/** What someone typed as a number; null where it is none. */
export function typed(text: string): number | null {
  const plain = text.trim().replace("\u2212", "-").replace(",", ".");
  const value = Number(plain);
  return plain && Number.isFinite(value) ? value : null;
}

/** How far an arrow key goes: about a hundredth of the number's size. */
export function stride(value: number, large: boolean): number {
  const size = Math.abs(value) > 10 ? 10 ** Math.floor(Math.log10(Math.abs(value))) : 1;
  return size * (large ? 0.1 : 0.01);
}
