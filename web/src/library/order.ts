// Which episodes are listed, and in which order: the sort and filter of the address.

import type { EpisodeTable } from "../api/schema";
import { parse, type Counts } from "./filter";

export const COLUMNS = ["episode", "seed", "outcome", "return", "steps", "moments"] as const;
export type Column = (typeof COLUMNS)[number];

export interface Sort {
  column: Column;
  down: boolean;
}

/** "-return" is by return, the highest first; what is no column is by episode. */
export function readSort(text: string): Sort {
  const down = text.startsWith("-");
  const column = COLUMNS.find((name) => name === text.slice(down ? 1 : 0));
  return column ? { column, down } : { column: "episode", down: false };
}

/** What a press on a column's head makes of the sort. */
export function pressed(text: string, column: Column): string {
  const sort = readSort(text);
  return sort.column === column && !sort.down ? `-${column}` : column;
}

export interface Listed {
  /** Indices into the table, in order. */
  rows: number[];
  problem: string;
}

/** `counts`: moments of each episode that has some; null without a query. */
export function list(
  table: EpisodeTable,
  sort: string,
  filter: string,
  counts: Counts = null,
): Listed {
  const { test, problem } = parse(filter, counts);
  const { column, down } = readSort(sort);
  const values: (number | string | null)[] =
    column === "moments"
      ? table.episode.map((episode) => counts?.get(episode) ?? 0)
      : table[column === "return" ? "total" : column];
  const way = down ? -1 : 1;
  const rows = table.episode.map((_, index) => index).filter((index) => test(table, index));
  rows.sort((a, b) => order(values[a]!, values[b]!, way) || a - b);
  return { rows, problem };
}

// What has no value stands last, whichever way.
function order(a: number | string | null, b: number | string | null, way: number): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return a < b ? -way : a > b ? way : 0;
}

/** The episode above or below another as they are listed; null at the ends. */
export function neighbour(
  table: EpisodeTable,
  rows: number[],
  current: number,
  way: number,
): number | null {
  const at = rows.findIndex((index) => table.episode[index] === current);
  const next = rows[at < 0 ? 0 : at + way];
  return next === undefined ? null : (table.episode[next] ?? null);
}
