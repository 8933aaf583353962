// From bytes to numbers.

import type { ArrayRef } from "./schema";
import type { Source } from "./source";

export type Numbers =
  Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;

/** An array of any number of axes; `data` in C order. */
export interface Grid {
  shape: number[];
  data: Numbers;
}

/** Numbers of one row along the first axis. */
export function row(grid: Grid, index: number): Numbers {
  const size = grid.shape.slice(1).reduce((product, n) => product * n, 1);
  return grid.data.subarray(index * size, (index + 1) * size);
}

export function decode(dtype: ArrayRef["dtype"], bytes: ArrayBuffer): Numbers {
  switch (dtype) {
    case "bool":
    case "uint8":
      return new Uint8Array(bytes);
    case "int8":
      return new Int8Array(bytes);
    case "int16":
      return new Int16Array(bytes);
    case "int32":
      return new Int32Array(bytes);
    case "int64":
      return Float64Array.from(new BigInt64Array(bytes), Number);
    case "float16":
      return Float32Array.from(new Uint16Array(bytes), half);
    case "float32":
      return new Float32Array(bytes);
    case "float64":
      return new Float64Array(bytes);
  }
}

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Rows `from` up to `to` of an array; all by default. */
export async function load(
  source: Source,
  ref: ArrayRef,
  from = 0,
  to?: number,
  signal?: AbortSignal,
): Promise<Grid> {
  const rows = ref.shape[0] ?? 1;
  const last = Math.min(to ?? rows, rows);
  const size = rows ? ref.bytes / rows : 0;
  const [start, end] = [ref.offset + from * size, ref.offset + last * size];
  const bytes = await source.bytes(ref.url, start, end, signal);
  return { shape: [last - from, ...ref.shape.slice(1)], data: decode(ref.dtype, bytes) };
}
