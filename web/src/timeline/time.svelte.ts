// The range of time that all lanes of a timeline show, and their width.

import { following, fractionOf, stepAt, within, zoomed, type Range } from "./axis";

export class Time {
  steps = $state(1);
  range = $state.raw<Range>({ from: 0, to: 1 });
  /** Of every plot, in CSS pixels. */
  width = $state(0);
  whole = $derived(this.range.to - this.range.from >= this.steps);
  /** Of one step, in CSS pixels. */
  pitch = $derived(this.width / (this.range.to - this.range.from));

  reset(steps: number): void {
    this.steps = Math.max(steps, 1);
    this.range = { from: 0, to: this.steps };
  }

  zoom(factor: number, fraction: number): void {
    this.range = zoomed(this.range, this.steps, factor, fraction);
  }

  /** Move by a share of what is shown. */
  pan(share: number): void {
    const span = this.range.to - this.range.from;
    this.range = within(this.steps, this.range.from + share * span, span);
  }

  show(from: number, to: number): void {
    this.range = within(this.steps, Math.min(from, to), Math.abs(to - from));
  }

  follow(step: number): void {
    this.range = following(this.range, this.steps, step);
  }

  /** Step under a pointer `x` pixels right of the plots' left. */
  stepAt(x: number): number {
    return stepAt(this.range, this.steps, this.width ? x / this.width : 0);
  }

  /** Pixels from the plots' left. */
  x(time: number): number {
    return fractionOf(this.range, time) * this.width;
  }
}
