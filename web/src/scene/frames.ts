// Pictures of an episode, read by byte range as they are shown, a little ahead, and forgotten again.

import { load, type Grid } from "../api/arrays";
import type { ArrayRef } from "../api/schema";
import type { Source } from "../api/source";
import { Recent } from "../model/recent";

const CHUNK_BYTES = 512 * 1024;
const MEMORY = 24 * 2 ** 20;
const MOST_STEPS = 64;
/** Pixels across up to which a picture is shown with its pixels as squares. */
const SMALL = 128;

export interface Frames {
  height: number;
  width: number;
  /** (height * width * 3) */
  at(step: number): Promise<Uint8Array>;
}

/** Steps that one request asks for. */
export function chunkSteps(ref: ArrayRef): number {
  const size = ref.bytes / (ref.shape[0] || 1) || 1;
  return Math.max(1, Math.min(MOST_STEPS, Math.round(CHUNK_BYTES / size)));
}

export function framesOf(source: Source, ref: ArrayRef): Frames {
  const [steps = 0, height = 0, width = 0] = ref.shape;
  const each = chunkSteps(ref);
  const chunks = new Recent<Grid>(MEMORY, (grid) => grid.data.byteLength);
  const chunk = (n: number) =>
    chunks.get(String(n), () => load(source, ref, n * each, Math.min((n + 1) * each, steps)));
  return {
    height,
    width,
    async at(step) {
      const n = Math.floor(step / each);
      const here = chunk(n);
      const ahead = step % each >= each / 2 ? n + 1 : -1;
      if (ahead * each < steps && ahead > 0) chunk(ahead).catch(() => undefined);
      const size = height * width * 3;
      const from = (step - n * each) * size;
      return (await here).data.subarray(from, from + size) as Uint8Array;
    },
  };
}

/** Put a picture on a canvas, one pixel a pixel. */
export function drawFrame(
  canvas: HTMLCanvasElement,
  rgb: Uint8Array,
  frames: Frames,
  step: number,
): void {
  const pen = canvas.getContext("2d");
  if (!pen) return;
  if (canvas.width !== frames.width) canvas.width = frames.width;
  if (canvas.height !== frames.height) canvas.height = frames.height;
  const image = pen.createImageData(frames.width, frames.height);
  for (let i = 0, o = 0; i < rgb.length; i += 3, o += 4) {
    image.data[o] = rgb[i]!;
    image.data[o + 1] = rgb[i + 1]!;
    image.data[o + 2] = rgb[i + 2]!;
    image.data[o + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
  canvas.dataset.step = String(step);
  canvas.classList.remove("smooth");
}

/** Put an image on a canvas of its size. */
export function drawImage(canvas: HTMLCanvasElement, image: HTMLImageElement, step: number): void {
  const pen = canvas.getContext("2d");
  if (!pen) return;
  if (canvas.width !== image.naturalWidth) canvas.width = image.naturalWidth;
  if (canvas.height !== image.naturalHeight) canvas.height = image.naturalHeight;
  pen.drawImage(image, 0, 0);
  canvas.dataset.step = String(step);
  canvas.classList.toggle("smooth", image.naturalWidth > SMALL);
}
