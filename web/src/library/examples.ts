// Examples of the filter's grammar, from the episodes at hand: each lists some of them.

import type { EpisodeTable } from "../api/schema";
import { parse } from "./filter";

const DIGITS = [0, 1, 2, 3, 4, 5, 6];

/** The clearest first; none where the table is empty. */
export function examples(table: EpisodeTable): string[] {
  const words = outcomesOf(table);
  const [rare, usual] = [words.at(-1), words[0]];
  const [total, steps] = [between(table.total), between(table.steps)];
  return [
    ...(words.length > 1 ? [rare!] : []),
    ...(total === null ? [] : [`return<${total}`]),
    ...(steps === null ? [] : [`steps>=${steps}`]),
    ...(words.length > 1 ? [`!${usual}`] : []),
    ...(usual === undefined ? [] : [`outcome:${usual}`]),
  ];
}

/** Some of the examples as one text that still lists an episode. */
export function together(table: EpisodeTable, most: number): string {
  const lists = (text: string) => {
    const { test } = parse(text);
    return table.episode.some((_, index) => test(table, index));
  };
  const chosen: string[] = [];
  for (const example of examples(table).filter((one) => !one.startsWith("outcome:"))) {
    if (chosen.length < most && lists([...chosen, example].join(" "))) chosen.push(example);
  }
  return chosen.join(" ");
}

/** Outcomes that can be typed as one word, the most frequent first. */
function outcomesOf(table: EpisodeTable): string[] {
  const counts = new Map<string, number>();
  for (const part of table.outcome.flatMap((outcome) => outcome.split("+"))) {
    if (/^\w+$/.test(part)) counts.set(part, (counts.get(part) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([name]) => name);
}

/** A short number near the median, above the lowest and at most the highest; null without. */
function between(values: number[]): number | null {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const [low, high] = [sorted[0], sorted.at(-1)];
  if (low === undefined || high === undefined) return null;
  const middle = sorted.slice(sorted.length >> 1).find((value) => value > low);
  if (middle === undefined) return null;
  const short = DIGITS.map((digits) => Number(middle.toFixed(digits)));
  return short.find((value) => value > low && value <= high) ?? null;
}
