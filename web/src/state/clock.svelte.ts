// One clock for all panes.

export const SPEEDS = [0.5, 1, 2, 4, 8, 16];

/** A longer pause between two frames (a hidden tab, a sleeping machine) is not made up for. */
const LONGEST_FRAME = 1000;

class Clock {
  playing = $state(false);
  /** Steps per second. */
  speed = $state(2);
}

export const clock = new Clock();

export interface Driven {
  steps: number;
  step: number;
}

/**
 * Play from where `read` says until the last step or until stopped: the step of a moment is counted
 * from the moment playing began, so late frames do not add up. Begins anew at the last step.
 */
export function drive(
  read: () => Driven,
  onstep: (step: number) => void,
  onend: () => void,
): () => void {
  let { step } = read();
  let speed = clock.speed;
  let origin: number | null = null;
  let from = step;
  let before = 0;
  if (step >= read().steps - 1) onstep((step = from = 0));

  const frame = (now: number) => {
    const state = read();
    const moved = state.step !== step;
    if (origin === null || moved || speed !== clock.speed || now - before > LONGEST_FRAME) {
      [origin, from, speed, step] = [now, state.step, clock.speed, state.step];
    }
    before = now;
    const due = Math.min(from + Math.floor(((now - origin) / 1000) * speed), state.steps - 1);
    if (due > step) onstep((step = due));
    if (step >= state.steps - 1) onend();
    else request = requestAnimationFrame(frame);
  };
  let request = requestAnimationFrame(frame);
  return () => cancelAnimationFrame(request);
}
