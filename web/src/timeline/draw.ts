// What the strips of a timeline draw on their canvases.

import { actionShares } from "./strip";
import type { Range } from "./axis";
import { colourTable, level, position, type Scale, type Rgb } from "./colours";
import type { Heat } from "./heat";

/** A canvas in CSS pixels and the range of time across it. */
export interface Surface {
  context: CanvasRenderingContext2D;
  width: number;
  height: number;
  range: Range;
}

export interface Cells {
  /** Index of the action at each step. */
  action: ArrayLike<number>;
  forced: Set<number>;
  colours: string[];
  names: string[];
  letters: string;
  outline: string;
}

const LETTER_ROOM = 13;
const GAP_ROOM = 5;

/** Left edge of a step. */
function left({ range, width }: Surface, step: number): number {
  return ((step - range.from) / (range.to - range.from)) * width;
}

/** First step in the range, and the one after the last. */
function visible({ range }: Surface, count: number): [number, number] {
  return [Math.max(Math.floor(range.from), 0), Math.min(Math.ceil(range.to), count)];
}

/** Actions as coloured cells; where a pixel holds several steps, by their shares. */
export function drawCells(on: Surface, cells: Cells): void {
  const { context, height } = on;
  const [first, last] = visible(on, cells.action.length);
  const pitch = left(on, 1) - left(on, 0);
  if (pitch < 1) return drawShares(on, cells);
  const gap = pitch >= GAP_ROOM ? 0.5 : 0;
  context.font = `600 ${pitch > 30 ? 11 : 10.5}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let t = first; t < last; t += 1) {
    const action = cells.action[t]!;
    const [x, size] = [left(on, t) + gap, pitch - 2 * gap];
    context.fillStyle = cells.colours[action % cells.colours.length] ?? cells.outline;
    context.beginPath();
    context.roundRect(x, 0, size, height, pitch >= 8 ? 2 : 0);
    context.fill();
    if (cells.forced.has(t)) drawForced(on, cells, x, size);
    if (pitch < LETTER_ROOM) continue;
    const name = cells.names[action] ?? String(action);
    context.fillStyle = cells.letters;
    if (context.measureText(name).width < size - 3) {
      context.fillText(name, x + size / 2, height / 2 + 0.5);
    }
  }
}

function drawForced({ context, height }: Surface, cells: Cells, x: number, size: number): void {
  if (size < 6) {
    context.fillStyle = cells.outline;
    context.fillRect(x, 0, Math.max(size, 1), 3);
    return;
  }
  context.strokeStyle = cells.outline;
  context.lineWidth = 2;
  context.strokeRect(x + 1, 1, size - 2, height - 2);
}

function drawShares(on: Surface, cells: Cells): void {
  const { context, width, height, range } = on;
  const span = range.to - range.from;
  for (let x = 0; x < width; x += 1) {
    const from = Math.floor(range.from + (x / width) * span);
    const to = Math.floor(range.from + ((x + 1) / width) * span);
    let y = 0;
    for (const [action, share] of actionShares(cells.action, from, to)) {
      context.fillStyle = cells.colours[action % cells.colours.length] ?? cells.outline;
      context.fillRect(x, y * height, 1, share * height);
      y += share;
    }
    context.fillStyle = cells.outline;
    for (let t = from; t < to; t += 1) if (cells.forced.has(t)) context.fillRect(x, 0, 1, 3);
  }
}

export interface BarColours {
  zero: string;
  gain: string;
  loss: string;
}

/** Values as bars from zero. */
export function drawBars(on: Surface, values: ArrayLike<number>, colours: BarColours): void {
  const { context, width, height } = on;
  let [low, high] = [0, 0];
  for (let t = 0; t < values.length; t += 1) {
    low = Math.min(low, values[t]!);
    high = Math.max(high, values[t]!);
  }
  const y = (value: number) => ((high - value) / (high - low || 1)) * height;
  const zero = low === high ? height - 1 : Math.min(Math.round(y(0)), height - 1);
  context.fillStyle = colours.zero;
  context.fillRect(0, zero, width, 1);
  const [first, last] = visible(on, values.length);
  const pitch = left(on, 1) - left(on, 0);
  const inset = pitch >= 4 ? pitch * 0.18 : 0;
  for (let t = first; t < last; t += 1) {
    const value = values[t]!;
    if (!value) continue;
    const [top, bottom] = [y(Math.max(value, 0)), y(Math.min(value, 0))];
    context.fillStyle = value < 0 ? colours.loss : colours.gain;
    const size = Math.max(pitch - 2 * inset, 1);
    context.fillRect(left(on, t) + inset, top, size, Math.max(bottom - top, 1));
  }
}

/** Steps as marks: triangles where there is room for them, else lines. */
export function drawMarks(on: Surface, steps: ArrayLike<number>, colour: string): void {
  const { context, width, height } = on;
  const pitch = left(on, 1) - left(on, 0);
  const middle = height / 2;
  context.fillStyle = colour;
  for (let i = 0; i < steps.length; i += 1) {
    const x = left(on, steps[i]!);
    if (x < -4 || x > width + 4) continue;
    if (pitch < 9) {
      context.fillRect(x, middle - 4, 1, 9);
      continue;
    }
    context.beginPath();
    context.moveTo(x - 3.5, middle - 2.5);
    context.lineTo(x + 3.5, middle - 2.5);
    context.lineTo(x, middle + 3.5);
    context.fill();
  }
}

/** Spans of steps, both ends in it, as bars of at least two pixels. */
export function drawSpans(
  on: Surface,
  spans: readonly { step: number; until: number }[],
  colour: string,
): void {
  const { context, width, height } = on;
  context.fillStyle = colour;
  for (const { step, until } of spans) {
    const [from, to] = [left(on, step), left(on, until + 1)];
    if (to < 0 || from > width) continue;
    const gap = to - from > 6 ? 1 : 0;
    context.beginPath();
    context.roundRect(from + gap, 4, Math.max(to - from - 2 * gap, 2), height - 8, gap ? 2 : 0);
    context.fill();
  }
}

export interface HeatColours {
  zero: Rgb;
  plus: Rgb;
  minus: Rgb;
}

/** A map; steps that share a pixel show the strongest of them. */
export function drawHeat(on: Surface, heat: Heat, scale: Scale, colours: HeatColours): void {
  const { context, width, height, range } = on;
  const [first, last] = visible(on, heat.steps);
  const columns = Math.min(last - first, Math.max(Math.ceil(width), 1));
  if (columns < 1 || heat.rows < 1) return;
  const table = colourTable(colours.zero, colours.plus, colours.minus);
  const image = new ImageData(columns, heat.rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let column = 0; column < columns; column += 1) {
    const from = first + Math.floor((column * (last - first)) / columns);
    const to = first + Math.floor(((column + 1) * (last - first)) / columns);
    for (let row = 0; row < heat.rows; row += 1) {
      let value = heat.values[from * heat.rows + row]!;
      for (let t = from + 1; t < to; t += 1) {
        const other = heat.values[t * heat.rows + row]!;
        if (Number.isNaN(value) || Math.abs(other) > Math.abs(value)) value = other;
      }
      if (Number.isNaN(value)) continue;
      pixels[row * columns + column] = table[level(position(value, scale))]!;
    }
  }
  const sheet = document.createElement("canvas");
  [sheet.width, sheet.height] = [columns, heat.rows];
  sheet.getContext("2d")?.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  const span = range.to - range.from;
  const x = ((first - range.from) / span) * width;
  context.drawImage(sheet, x, 0, ((last - first) / span) * width, height);
}
