// Time across the page: step t fills [t, t + 1) of the axis, and its point lies in the middle.

export interface Range {
  from: number;
  to: number;
}

const NARROWEST = 4;
const STRIDES = [1, 2, 5];
const DIGIT = 7;
const ROOM = 6;

/** A range inside the episode; moved rather than cut where it sticks out. */
export function within(steps: number, from: number, span: number): Range {
  const size = Math.min(Math.max(span, Math.min(NARROWEST, steps)), steps);
  const start = Math.min(Math.max(from, 0), steps - size);
  return { from: start, to: start + size };
}

/** The range `factor` times as long; what lies at `fraction` of it stays there. */
export function zoomed(range: Range, steps: number, factor: number, fraction: number): Range {
  const span = range.to - range.from;
  const size = Math.min(Math.max(span * factor, Math.min(NARROWEST, steps)), steps);
  return within(steps, range.from + fraction * (span - size), size);
}

/** The range moved so that a step lies in it; the same where it does. */
export function following(range: Range, steps: number, step: number): Range {
  if (step >= range.from && step + 1 <= range.to) return range;
  const span = range.to - range.from;
  const ahead = step >= range.to - 1 ? 0.1 : 0.9;
  return within(steps, step - span * ahead, span);
}

export function stepAt(range: Range, steps: number, fraction: number): number {
  const step = Math.floor(range.from + fraction * (range.to - range.from));
  return Math.min(Math.max(step, 0), steps - 1);
}

/** Share of the axis at which a time lies. */
export function fractionOf(range: Range, time: number): number {
  return (time - range.from) / (range.to - range.from);
}

/** Steps that get a number, as many as have room: every 1st, 2nd, 5th, 10th, ... */
export function labelled(range: Range, width: number): number[] {
  const span = range.to - range.from;
  const room = String(Math.ceil(range.to)).length * DIGIT + ROOM;
  let stride = 1;
  for (let power = 1, i = 0; span / stride > width / room && stride < 1e7; i += 1) {
    if (i === STRIDES.length) [i, power] = [0, power * 10];
    stride = STRIDES[i]! * power;
  }
  const steps: number[] = [];
  const first = Math.ceil(Math.max(range.from - 0.5, 0) / stride) * stride;
  for (let t = first; t + 0.5 <= range.to; t += stride) steps.push(t);
  return steps;
}
