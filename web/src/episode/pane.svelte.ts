// What one pane shows: an episode with its overlays; the last one stays until the next is there.

import { tick } from "svelte";
import type { Client } from "../api/client";
import type { OverlayInfo } from "../api/schema";
import {
  loadEpisode,
  loadOverlay,
  loadRecording,
  type Episode,
  type Overlay,
} from "../model/episode";

export interface Wanted {
  recording: string;
  episode: number;
  /** Names; null for those the recording shows by itself. */
  overlays: string[] | null;
}

/** Overlays to show: the asked-for ones that exist, or those shown from the start. */
export function overlayNames(infos: OverlayInfo[], wanted: string[] | null): string[] {
  return infos
    .filter(({ name, shown }) => (wanted ? wanted.includes(name) : shown))
    .map(({ name }) => name);
}

export class Pane {
  episode = $state.raw<Episode | null>(null);
  overlays = $state.raw<Overlay[]>([]);
  failure = $state.raw<unknown>(null);
  /** An overlay that could not be read does not hide the episode. */
  warning = $state.raw<unknown>(null);
  private round = $state(0);

  constructor(api: Client, wanted: () => Wanted | null) {
    $effect(() => {
      void this.round;
      const now = wanted();
      if (!now) {
        this.episode = this.failure = this.warning = null;
        this.overlays = [];
        return;
      }
      const { recording, episode, overlays } = now;
      const chosen = overlays && [...overlays];
      let current = true;
      void this.load(api, { recording, episode, overlays: chosen }, () => current);
      return () => (current = false);
    });
  }

  again = (): void => {
    this.round += 1;
  };

  private async load(api: Client, wanted: Wanted, current: () => boolean): Promise<void> {
    try {
      const { overlays: infos } = await loadRecording(api, wanted.recording);
      const names = overlayNames(infos, wanted.overlays);
      const [episode, [overlays, warning]] = await Promise.all([
        loadEpisode(api, wanted.recording, wanted.episode),
        overlaysOf(api, wanted, names),
      ]);
      if (!current()) return;
      this.episode = episode;
      this.overlays = overlays;
      this.warning = warning;
      this.failure = null;
    } catch (error) {
      await tick(); // a recording that was made anew is read again before anyone is told
      if (!current()) return;
      this.failure = error;
      this.episode = null;
      this.overlays = [];
    }
  }
}

async function overlaysOf(
  api: Client,
  { recording, episode }: Wanted,
  names: string[],
): Promise<[Overlay[], unknown]> {
  const tried = await Promise.allSettled(
    names.map((name) => loadOverlay(api, recording, episode, name)),
  );
  const fault = tried.find((one) => one.status === "rejected");
  return [tried.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])), fault?.reason];
}
