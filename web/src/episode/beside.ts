// Two episodes on one clock: the second is `shift` steps ahead.

import type { Episode } from "../model/episode";
import { namesOf } from "../model/actions";
import { clamp, firstParting, nameOfAction, sameStart } from "../model/steps";
import { row } from "../api/arrays";
import type { Beside, View } from "../state/address";

/** Steps of the clock: until the later of the two has ended. */
export function clockSteps(
  main: Episode | null,
  other: Episode | null,
  beside: Beside | null,
): number {
  const mine = main?.steps ?? 0;
  return other && beside ? Math.max(mine, other.steps - beside.shift) : mine;
}

export interface PaneStep {
  step: number;
  /** Whether the clock lies outside of the episode, whose end then stays in view. */
  outside: "" | "not begun" | "ended";
}

export function paneStep(clock: number, shift: number, steps: number): PaneStep {
  const wanted = clock + shift;
  const outside = wanted < 0 ? "not begun" : wanted >= steps ? "ended" : "";
  return { step: clamp(wanted, 0, Math.max(steps - 1, 0)), outside };
}

export interface Comparison {
  text: string;
  /** Clock step of the first different action. */
  parting: number | null;
}

/** What the two have in common; null where they have nothing. */
export function compared(main: Episode, other: Episode, shift: number): Comparison | null {
  const { recording, episode } = main.detail;
  if (recording === other.detail.recording && episode === other.detail.episode) {
    const gap = Math.abs(shift);
    const text = shift
      ? `one episode, ${gap} ${gap === 1 ? "step" : "steps"} apart`
      : "the same episode twice: choose another, or a shift";
    return { text, parting: null };
  }
  if (!sameStart(main, other)) return null;
  const parting = shift ? null : firstParting(main, other);
  const start = `same world, seed ${main.detail.seed}`;
  if (shift) return { text: start, parting: null };
  if (parting === null) return { text: `${start}; every action is the same`, parting: null };
  const [ours, theirs] = [main, other].map((each) =>
    nameOfAction(namesOf(each.recording), row(each.action, parting)),
  );
  return { text: `${start}; first different action: ${ours} or ${theirs}`, parting };
}

/** The view with its two panes exchanged; the same moment of both stays in view. */
export function swapped(view: View): Partial<View> {
  if (!view.beside) return {};
  const { recording, episode, shift } = view.beside;
  return {
    recording,
    episode,
    step: Math.max(0, view.step + shift),
    beside: { recording: view.recording, episode: view.episode, shift: shift ? -shift : 0 },
    tracks: view.tracks,
    overlays: view.overlays,
    zoom: view.zoom,
    large: view.large,
    kinds: view.kinds,
    layer: view.layer,
  };
}
