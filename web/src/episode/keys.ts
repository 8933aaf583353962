// Keys of the episode page.

import type { KeyMap } from "../frame/keys";
import { actionChanges, type Episode } from "../model/episode";
import { clamp, nextOf } from "../model/steps";
import { zoomed } from "../scene/camera";
import { clock } from "../state/clock.svelte";
import { focus } from "../state/focus.svelte";
import { shown } from "../state/view.svelte";

export interface Driving {
  /** The episode that the clock counts in. */
  episode(): Episode | null;
  /** Steps that the clock has. */
  steps(): number;
  goTo(step: number): void;
  /** One episode down or up; the list of episodes, where it is open, hears these keys first. */
  nextEpisode(way: 1 | -1): void;
}

export function episodeKeys(driving: Driving): KeyMap {
  return { ...stepKeys(driving), ...layerKeys(), ...zoomKeys() };
}

function stepKeys({ episode, steps, goTo, nextEpisode }: Driving): KeyMap {
  const move = (way: 1 | -1) => (event: KeyboardEvent) => {
    const { step } = shown.now;
    const now = episode();
    if (!now) return false;
    if (!event.shiftKey) return goTo(clamp(step + way, 0, steps() - 1));
    const next = nextOf(actionChanges(now), step, way);
    if (next !== null) goTo(next);
  };
  const back = "step back, step forward; with shift to where the action changes";
  const ends = "first step, last step";
  return {
    ArrowLeft: { help: back, run: move(-1) },
    ArrowRight: { help: back, run: move(1) },
    ArrowUp: () => nextEpisode(-1),
    ArrowDown: () => nextEpisode(1),
    " ": { help: "play or pause", run: () => void (clock.playing = !clock.playing) },
    Home: { help: ends, run: () => goTo(0) },
    End: { help: ends, run: () => goTo(steps() - 1) },
  };
}

function layerKeys(): KeyMap {
  const help = "keep one layer alone, e.g. an attention head";
  const keys: KeyMap = {};
  for (let digit = 1; digit <= 9; digit += 1) {
    const layer = digit - 1;
    const run = () => shown.go({ layer: shown.now.layer === layer ? null : layer });
    keys[String(digit)] = { help, run };
  }
  keys["Escape"] = {
    help: "all layers, no entity kept",
    run: () => {
      focus.layer = focus.identity = null;
      shown.go({ layer: null, identity: null });
    },
  };
  return keys;
}

function zoomKeys(): KeyMap {
  const help = "zoom in, zoom out, whole scene";
  const turn = (way: 1 | 0 | -1) => () => shown.go({ zoom: zoomed(shown.now.zoom, way) });
  return {
    "+": { help, run: turn(1) },
    "=": turn(1),
    "-": { help, run: turn(-1) },
    "0": { help, run: turn(0) },
  };
}
