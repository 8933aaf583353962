// Heat stripes over time, one a layer, painted on a canvas.

import { resolved } from "../model/palette";
import { strength, type Layer } from "../model/layers";

const LEAST = 0.01;

export interface Stripes {
  /** Steps shown. */
  range: { from: number; to: number };
  presence: Uint8Array;
  layers: Layer[];
  /** (layers, T), NaN where there is no number; empty where no layer shows the entity. */
  lines: Float32Array[];
}

/** How opaque a share of the scale is: small ones stay visible. */
export function opacity(share: number): number {
  return Math.min(1, Math.abs(share) ** 0.7);
}

export function paintStripes(
  canvas: HTMLCanvasElement,
  stripes: Stripes,
  width: number,
  height: number,
): void {
  const pen = canvas.getContext("2d");
  if (!pen || !width || !height) return;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  pen.scale(ratio, ratio);
  const { from, to } = stripes.range;
  const step = width / (to - from);
  const first = Math.max(0, Math.floor(from));
  const last = Math.min(stripes.presence.length, Math.ceil(to));
  const left = (t: number) => (t - from) * step;
  const gap = step > 4 ? 0.5 : 0;
  pen.fillStyle = resolved(stripes.layers.length ? "var(--soft)" : "var(--rule)");
  for (let t = first; t < last; t += 1) {
    if (stripes.presence[t] === 2) pen.fillRect(left(t), 0, step - gap, height);
  }
  const tall = height / (stripes.layers.length || 1);
  stripes.layers.forEach((layer, place) => {
    const line = stripes.lines[place];
    const up = resolved(layer.signed ? "var(--plus)" : layer.colour);
    const down = layer.signed ? resolved("var(--minus)") : up;
    for (let t = first; line && t < last; t += 1) {
      const share = strength(line[t]!, layer.overlay);
      if (!(Math.abs(share) >= LEAST)) continue;
      pen.globalAlpha = opacity(share);
      pen.fillStyle = share < 0 ? down : up;
      pen.fillRect(left(t) + gap, place * tall + 0.5, step - 2 * gap, Math.max(1, tall - 1));
    }
  });
}
