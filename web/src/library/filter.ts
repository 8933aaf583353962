// The filter of the table of episodes: terms parted by spaces, all of which must hold.
//
//   crashed            the outcome contains the word          !crashed    it does not
//   outcome:arrived    the outcome is it, or names it         !outcome:arrived
//   return<3  steps>=10  seed=12  episode!=4                  a number compared
//   moments>0                                                 those that the query finds in it
//
// Spaces around a sign change nothing: return > 3 is return>3.

import type { EpisodeTable } from "../api/schema";
import { fixed } from "../model/format";
import { outcomeText } from "../model/palette";

const NUMBERS = { return: "total", steps: "steps", seed: "seed", episode: "episode" } as const;

export type Test = (table: EpisodeTable, index: number) => boolean;

/** How many moments a query finds in each episode that has some; null without a query. */
export type Counts = ReadonlyMap<number, number> | null;

export interface Filter {
  test: Test;
  /** What is wrong with the text, if so; terms that cannot be read hold always. */
  problem: string;
}

const COMPARE: Record<string, (a: number, b: number) => boolean> = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "=": same,
  "!=": (a, b) => !same(a, b),
};

// As it is printed: who types return=7.47 means the row that reads 7.47.
function same(a: number, b: number): boolean {
  return a === b || fixed(a) === fixed(b);
}

export function parse(text: string, counts: Counts = null): Filter {
  const problems: string[] = [];
  const tests = text
    .replace(/\s+(<=|>=|!=|[<>=:])\s*/g, "$1")
    .replace(/([<>=:])\s+(?=[-\u2212+.\d])/g, "$1")
    .split(/\s+/)
    .filter(Boolean)
    .map((term) => {
      const got = parseTerm(term, counts);
      if (typeof got === "function") return got;
      problems.push(got);
      return () => true;
    });
  return {
    test: (table, index) => tests.every((test) => test(table, index)),
    problem: problems.join("; "),
  };
}

function parseTerm(term: string, counts: Counts): Test | string {
  if (term.startsWith("!")) {
    const test = term.length > 1 ? parseTerm(term.slice(1), counts) : "nothing stands behind !";
    return typeof test === "string" ? test : (table, index) => !test(table, index);
  }
  const [, name = "", sense = "", value = ""] =
    /^([^<>=!:]*)(<=|>=|!=|[<>=:])(.*)$/.exec(term) ?? [];
  if (!sense) return (table, index) => words(table.outcome[index]).includes(plain(term));
  if (name === "outcome") return outcomeTerm(sense, plain(value));
  if (name === "moments") {
    if (!counts) return "moments are counted once a query finds some";
    return numberTerm(name, sense, value, (table, i) => counts.get(table.episode[i]!) ?? 0);
  }
  if (!Object.hasOwn(NUMBERS, name)) {
    const names = [...Object.keys(NUMBERS), "outcome"].join(", ");
    return `there is no column \u201c${name}\u201d to filter by; there are ${names}`;
  }
  const column = NUMBERS[name as keyof typeof NUMBERS];
  return numberTerm(name, sense, value, (table, index) => table[column][index]);
}

function outcomeTerm(sense: string, value: string): Test | string {
  if (!value) return `an outcome must stand behind outcome${sense}`;
  if (![":", "=", "!="].includes(sense)) return "write outcome:NAME or outcome!=NAME";
  return (table, index) => {
    const outcome = table.outcome[index] ?? "";
    const named = [outcome, ...outcome.split("+")].some((part) => plain(part) === value);
    return named === (sense !== "!=");
  };
}

function numberTerm(
  name: string,
  sense: string,
  text: string,
  read: (table: EpisodeTable, index: number) => number | null | undefined,
): Test | string {
  const number = Number(text.replace("\u2212", "-") || "none");
  if (!Number.isFinite(number)) return `a number must stand behind ${name}${sense}`;
  const compare = COMPARE[sense === ":" ? "=" : sense]!;
  return (table, index) => {
    const value = read(table, index);
    return value !== null && value !== undefined && compare(value, number);
  };
}

function plain(text: string): string {
  return text.toLowerCase().replaceAll("_", "");
}

function words(outcome: string | undefined): string {
  return `${plain(outcome ?? "")} ${outcomeText(outcome ?? "").toLowerCase()}`;
}
