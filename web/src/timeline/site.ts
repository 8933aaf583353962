// Reads a site block by block: what is pooled is not held.

import { load } from "../api/arrays";
import type { ArrayRef } from "../api/schema";
import type { Source } from "../api/source";
import { emptyHeat, fill, type Heat } from "./heat";

const BLOCK = 4 * 2 ** 20;

export async function loadHeat(
  source: Source,
  ref: ArrayRef,
  signal: AbortSignal,
  block = BLOCK,
): Promise<Heat> {
  const steps = ref.shape[0] ?? 0;
  const heat = emptyHeat(steps, ref.shape.slice(1));
  const rows = Math.max(Math.floor(block / Math.max(ref.bytes / Math.max(steps, 1), 1)), 1);
  for (let at = 0; at < steps && !signal.aborted; at += rows) {
    fill(heat, await load(source, ref, at, at + rows), at);
  }
  return heat;
}
