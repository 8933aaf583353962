// Round numbers on an axis.

import type { Range } from "./points";

export interface Tick {
  value: number;
  text: string;
  /** Between 0 and 1 along the axis. */
  at: number;
}

export function ticks([low, high]: Range, most: number): Tick[] {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [];
  const step = stepOf(span / Math.max(1, most));
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found: Tick[] = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) {
    const value = n * step + 0;
    found.push({ value, text: textOf(value, digits), at: (value - low) / span });
  }
  return found;
}

/** The smallest of 1, 2, 5 times a power of ten that is no smaller. */
export function stepOf(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const part = least / power;
  return power * (part <= 1 + 1e-9 ? 1 : part <= 2 + 1e-9 ? 2 : part <= 5 + 1e-9 ? 5 : 10);
}

function textOf(value: number, digits: number): string {
  const size = Math.abs(value);
  const far = size >= 1e6 || (size !== 0 && digits > 5);
  const text = far ? value.toExponential(1) : value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replaceAll("-", "\u2212");
}
