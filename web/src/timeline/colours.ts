// From numbers to colours.

export type Rgb = [number, number, number];

/** A colour of theme.css, which writes them as #rgb or #rrggbb. */
export function rgb(colour: string): Rgb {
  const hex = colour.trim().replace("#", "");
  const full = hex.length === 3 ? [...hex].map((digit) => digit + digit).join("") : hex;
  const value = Number.parseInt(full.slice(0, 6), 16);
  return Number.isNaN(value) ? [128, 128, 128] : [value >> 16, (value >> 8) & 255, value & 255];
}

export interface Scale {
  signed: boolean;
  low: number;
  high: number;
}

/** Signed where values lie on both sides of zero: then zero is the middle, and both ends alike. */
export function scaleOf(low: number, high: number): Scale {
  if (!(low <= high)) return { signed: false, low: 0, high: 1 };
  if (low < 0) {
    const end = Math.max(-low, high);
    return { signed: true, low: -end, high: end };
  }
  return { signed: false, low: 0, high: high > 0 ? high : 1 };
}

/** How far a value lies from zero towards the end of its side: -1 to 1. */
export function position(value: number, scale: Scale): number {
  return Math.max(-1, Math.min(value / scale.high, 1));
}

/** `share` of the way from one colour to another. */
export function mix(from: Rgb, to: Rgb, share: number): Rgb {
  return from.map((value, i) => Math.round(value + share * (to[i]! - value))) as Rgb;
}

const LEVELS = 128;

/** Colours of positions -1 to 1 in 257 levels, four bytes each, as image data want them. */
export function colourTable(zero: Rgb, plus: Rgb, minus: Rgb): Uint32Array {
  const table = new Uint32Array(2 * LEVELS + 1);
  for (let level = -LEVELS; level <= LEVELS; level += 1) {
    const [r, g, b] = mix(zero, level < 0 ? minus : plus, Math.abs(level) / LEVELS);
    table[level + LEVELS] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  }
  return table;
}

/** Entry of the table for a position. */
export function level(place: number): number {
  return Math.round(place * LEVELS) + LEVELS;
}
