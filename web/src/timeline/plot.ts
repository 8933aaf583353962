// A lane's lines as a uPlot: no axes, no cursor of its own, exactly as wide as the lane.

import uPlot from "uplot";
import { resolved } from "../model/palette";
import { alone, type LaneSpec } from "./lanes";
import type { Range } from "./axis";

const PAD = 0.16;
const DOT = 3.4;
const DOT_ROOM = 8;

export interface Marked {
  /** Index of the line whose point is marked at each step, -1 for none. */
  line: Int32Array;
}

/** Which line each step's action stands for. */
export function markedLines(spec: LaneSpec, action: ArrayLike<number>): Marked {
  const lineOf = new Map(spec.lines.map((line, i) => [line.action, i]));
  return { line: Int32Array.from(action, (which) => lineOf.get(which) ?? -1) };
}

export function plotData(spec: LaneSpec): uPlot.AlignedData {
  const steps = Math.max(0, ...spec.lines.map((line) => line.values.length));
  const times = Array.from({ length: steps }, (_, t) => t + 0.5);
  return [times, ...spec.lines.map((line) => line.values)];
}

export function plotOptions(
  spec: LaneSpec,
  size: { width: number; height: number },
  range: Range,
  marked: Marked | null,
): uPlot.Options {
  const pad = (spec.high - spec.low) * PAD;
  return {
    ...size,
    padding: [0, 0, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    axes: [{ show: false }, { show: false }],
    scales: {
      x: { time: false, min: range.from, max: range.to, auto: false },
      y: { range: [spec.low - pad, spec.high + pad] },
    },
    series: [
      {},
      ...spec.lines.map((line) => ({
        stroke: resolved(line.colour),
        width: 1.8,
        dash: line.dash ? line.dash.split(" ").map(Number) : undefined,
        points: { show: false },
      })),
    ],
    hooks: {
      drawClear: [(plot) => drawZero(plot, spec)],
      draw: [(plot) => drawPoints(plot, spec, marked)],
    },
  };
}

function drawZero(plot: uPlot, spec: LaneSpec): void {
  if (spec.low >= 0 || spec.high <= 0) return;
  const { ctx, bbox } = plot;
  ctx.fillStyle = resolved("var(--rule)");
  const y = Math.round(plot.valToPos(0, "y", true));
  ctx.fillRect(bbox.left, y, bbox.width, Math.max(1, Math.round(devicePixelRatio)));
}

function drawPoints(plot: uPlot, spec: LaneSpec, marked: Marked | null): void {
  const { min = 0, max = 1 } = plot.scales["x"]!;
  const pitch = plot.width / ((max ?? 1) - (min ?? 0));
  if (marked && pitch >= DOT_ROOM) {
    for (let t = 0; t < marked.line.length; t += 1) dot(plot, spec, marked.line[t]!, t, DOT);
  }
  spec.lines.forEach((line, i) => {
    for (const t of alone(line.values)) dot(plot, spec, i, t, 2);
  });
}

function dot(plot: uPlot, spec: LaneSpec, i: number, t: number, radius: number): void {
  const value = spec.lines[i]?.values[t];
  if (value === null || value === undefined) return;
  const { ctx } = plot;
  ctx.beginPath();
  ctx.fillStyle = resolved(spec.lines[i]!.colour);
  const [x, y] = [plot.valToPos(t + 0.5, "x", true), plot.valToPos(value, "y", true)];
  ctx.arc(x, y, radius * devicePixelRatio, 0, 2 * Math.PI);
  ctx.fill();
}
