// The range of time that all lanes of a timeline show, and their width.

import type { Part } from "../state/address";
import { following, fractionOf, stepAt, within, zoomed, type Range } from "./axis";

/** Thousandths of a step are enough, and short in an address. */
const FINEST = 1000;

export class Time {
  steps = $state(1);
  range = $state.raw<Range>({ from: 0, to: 1 });
  /** Of every plot, in CSS pixels. */
  width = $state(0);
  whole = $derived(this.range.to - this.range.from >= this.steps);
  /** Of one step, in CSS pixels. */
  pitch = $derived(this.width / (this.range.to - this.range.from));

  /** `chosen` hears of each other range but that of `open`; null stands for all steps. */
  constructor(private chosen: (part: Part | null) => void = () => undefined) {}

  /** Show these steps, or a part of them. */
  open(steps: number, part: Part | null): void {
    this.steps = Math.max(steps, 1);
    const [from, to] = part ?? [0, this.steps];
    this.take(within(this.steps, from, to - from));
  }

  reset(steps: number): void {
    this.open(steps, null);
    this.chosen(null);
  }

  zoom(factor: number, fraction: number): void {
    this.choose(zoomed(this.range, this.steps, factor, fraction));
  }

  /** Move by a share of what is shown. */
  pan(share: number): void {
    const span = this.range.to - this.range.from;
    this.choose(within(this.steps, this.range.from + share * span, span));
  }

  show(from: number, to: number): void {
    this.choose(within(this.steps, Math.min(from, to), Math.abs(to - from)));
  }

  follow(step: number): void {
    this.choose(following(this.range, this.steps, step));
  }

  /** Step under a pointer `x` pixels right of the plots' left. */
  stepAt(x: number): number {
    return stepAt(this.range, this.steps, this.width ? x / this.width : 0);
  }

  /** Pixels from the plots' left. */
  x(time: number): number {
    return fractionOf(this.range, time) * this.width;
  }

  private choose({ from, to }: Range): void {
    const tidy = (time: number) => Math.round(time * FINEST) / FINEST;
    const next = { from: tidy(from), to: tidy(to) };
    if (this.take(next)) this.chosen(this.whole ? null : [next.from, next.to]);
  }

  /** Nothing is drawn anew for a range that is shown already. */
  private take(next: Range): boolean {
    const other = next.from !== this.range.from || next.to !== this.range.to;
    if (other) this.range = next;
    return other;
  }
}
