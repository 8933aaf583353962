// Heat over pixels: numbers to colours.

import { row, type Numbers } from "../api/arrays";
import type { Overlay } from "../model/episode";
import { strength, type Layer } from "../model/layers";
import { resolved } from "../model/palette";

/** One layer of an overlay at one step. */
export interface Heat {
  overlay: Overlay;
  width: number;
  height: number;
  values: Numbers;
  colour: string;
}

const STRONGEST = 0.85;

/** Layers of the given overlays at a step: all, or the one that is lit. */
export function heatLayers(
  layers: Layer[],
  overlays: Overlay[],
  step: number,
  lit: number | null,
): Heat[] {
  return layers
    .filter((layer) => overlays.includes(layer.overlay) && (lit ?? layer.index) === layer.index)
    .filter(({ overlay }) => rowAt(overlay, step) !== null)
    .map(({ overlay, layer, colour }) => {
      const [, , height = 0, width = 0] = overlay.values.shape;
      const size = width * height;
      const values = row(overlay.values, rowAt(overlay, step)!).subarray(
        layer * size,
        (layer + 1) * size,
      );
      return { overlay, width, height, values, colour };
    });
}

/** The row of an overlay's numbers that is of a step; null where there is none. */
function rowAt({ values, first = 0 }: Overlay, step: number): number | null {
  const at = step - first;
  return at >= 0 && at < (values.shape[0] ?? 0) ? at : null;
}

export type Rgb = [number, number, number];

/** A colour written #rrggbb or rgb(r, g, b) as numbers. */
export function rgb(colour: string): Rgb {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour);
  if (hex) return [1, 2, 3].map((i) => parseInt(hex[i]!, 16)) as Rgb;
  const parts = colour.match(/[\d.]+/g)?.map(Number) ?? [];
  return [parts[0] ?? 128, parts[1] ?? 128, parts[2] ?? 128];
}

/** Layers laid over each other, each as opaque as its numbers are large; RGBA by pixel. */
export function painted(heats: Heat[], colourOf: (name: string) => Rgb): Uint8ClampedArray {
  const [first] = heats;
  const pixels = new Uint8ClampedArray((first?.width ?? 0) * (first?.height ?? 0) * 4);
  for (const heat of heats) {
    const same = heat.width === first!.width && heat.height === first!.height;
    if (same) lay(pixels, heat, colourOf);
  }
  return pixels;
}

function lay(pixels: Uint8ClampedArray, heat: Heat, colourOf: (name: string) => Rgb): void {
  const signed = heat.overlay.info.signed;
  const up = colourOf(signed ? "var(--plus)" : heat.colour);
  const down = signed ? colourOf("var(--minus)") : up;
  for (let i = 0; i < heat.values.length; i += 1) {
    const share = strength(heat.values[i]!, heat.overlay);
    const over = Math.min(Math.abs(share), 1) * STRONGEST;
    if (!(over > 0)) continue;
    const colour = share < 0 ? down : up;
    const under = (pixels[4 * i + 3]! / 255) * (1 - over);
    const alpha = over + under;
    for (let c = 0; c < 3; c += 1) {
      pixels[4 * i + c] = (colour[c]! * over + pixels[4 * i + c]! * under) / alpha;
    }
    pixels[4 * i + 3] = alpha * 255;
  }
}

/** Paint on a canvas of one pixel a number. */
export function paint(canvas: HTMLCanvasElement, heats: Heat[]): void {
  const [first] = heats;
  const pen = canvas.getContext("2d");
  if (!pen) return;
  if (!first) return pen.clearRect(0, 0, canvas.width, canvas.height);
  if (canvas.width !== first.width) canvas.width = first.width;
  if (canvas.height !== first.height) canvas.height = first.height;
  const image = pen.createImageData(first.width, first.height);
  image.data.set(painted(heats, (name) => rgb(resolved(name))));
  pen.putImageData(image, 0, 0);
}
