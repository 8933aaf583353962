// Numbers as people read them.

import type { Estimate } from "../api/schema";

/** A number with a true minus sign; empty where there is none. */
export function fixed(value: number | null | undefined, digits = 2): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "";
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "\u2212");
}

export function signed(value: number | null | undefined, digits = 2): string {
  const text = fixed(value, digits);
  return text && !text.startsWith("\u2212") && Number(text) !== 0 ? `+${text}` : text;
}

/**
 * A number in three digits, or whole from 1000 on, as `core/numbers.py` writes it; empty
 * where there is none.
 */
export function brief(value: number): string {
  if (!Number.isFinite(value)) return "";
  const size = Math.abs(value);
  const whole = size >= 999.5 && size < 1e15;
  return (whole ? value.toFixed(0) : inThree(value)).replaceAll("-", "\u2212");
}

function inThree(value: number): string {
  const near = Number(value.toPrecision(3));
  const size = Math.abs(near);
  return size !== 0 && (size < 1e-4 || size >= 1e15) ? near.toExponential() : String(near);
}

/** Several of what a word names: "boxes", "enemies". */
export function plural(word: string): string {
  if (/[^aeiou]y$/.test(word)) return `${word.slice(0, -1)}ies`;
  return /(s|x|z|ch|sh)$/.test(word) ? `${word}es` : `${word}s`;
}

export function percent(rate: number): string {
  return `${Math.round(rate * 100)}%`;
}

/** "6.15 to 8.14", or a dash where one sample tells no spread. */
export function interval(estimate: Estimate, text: (value: number) => string = fixed): string {
  if (estimate.low === null || estimate.high === null) return "\u2013";
  return `${text(estimate.low)} to ${text(estimate.high)}`;
}

/** Interval of a mean; where all episodes are equal there is none to estimate, and that is said. */
export function spread(estimate: Estimate): string {
  const same = estimate.low === estimate.value && estimate.high === estimate.value;
  return same ? `equal in all ${estimate.n}` : interval(estimate);
}

export function count(n: number): string {
  return n.toLocaleString("en").replaceAll(",", "\u202f");
}

/** Lowest and highest of the numbers, opened where they are equal. */
export function extent(values: Iterable<number | null>): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [0, 1];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}
