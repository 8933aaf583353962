// Dragging over the lanes of a timeline moves its step.

import { clock } from "../state/clock.svelte";
import type { Time } from "./time.svelte";

export class Scrub {
  private going = false;

  constructor(
    private time: Time,
    private step: () => number,
    private onstep: (step: number) => void,
  ) {}

  begin(event: PointerEvent, root: HTMLElement | undefined): void {
    const plot = (event.target as Element).closest<HTMLElement>("[data-plot]");
    if (plot && event.button === 0) {
      this.going = true;
      clock.playing = false;
      plot.setPointerCapture(event.pointerId); // on the root, a lane would get no click
    }
    this.move(event, root);
  }

  move(event: PointerEvent, root: HTMLElement | undefined): void {
    if (!this.going || !root) return;
    const lane = root.querySelector("[data-plot]")!.getBoundingClientRect();
    const next = this.time.stepAt(event.clientX - lane.left);
    if (next !== this.step()) this.onstep(next);
  }

  end = (): void => {
    this.going = false;
  };
}
