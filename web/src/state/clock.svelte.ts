// One clock for all panes.

export const SPEEDS = [0.5, 1, 2, 4, 8, 16];

class Clock {
  playing = $state(false);
  /** Steps per second. */
  speed = $state(2);
}

export const clock = new Clock();
