// What the query of the address finds; searched for piece by piece as long as it is that query.

import { untrack } from "svelte";
import type { Client } from "../api/client";
import type { Moment, Moments } from "../api/schema";
import { aborted } from "../frame/told";
import { shown } from "../state/view.svelte";
import { countsOf, neighbour, remembered } from "./moments";

const SESSION = "policyscope queries";

class Found {
  /** The last answer; it stays while that of the next query is on its way. */
  answer = $state.raw<Moments | null>(null);
  failure = $state.raw<unknown>(null);
  busy = $state(false);
  /** All moments of the episode shown, where the list holds fewer than there are. */
  own = $state.raw<{ episode: number; moments: Moment[] } | null>(null);
  /** Queries of this session, the latest first. */
  recent = $state.raw<string[]>(asked());
  counts = $derived(this.answer && countsOf(this.answer));
  private recording = "";

  /** Moments of an episode of the recording shown. */
  of(recording: string, episode: number): Moment[] | null {
    if (!this.answer || recording !== this.recording) return null;
    if (this.own?.episode === episode) return this.own.moments;
    return this.answer.moments.filter((one) => one.episode === episode);
  }

  /** Go to the next moment, or to the one before. */
  go(way: 1 | -1): void {
    const { page, episode, step } = shown.now;
    const here = page === "episode" ? { episode, step } : null;
    const listed = this.answer?.moments ?? [];
    const own = this.own?.episode === episode ? this.own.moments : [];
    const next = neighbour(own, here, way) ?? neighbour(listed, here, way);
    if (next) shown.go({ page: "episode", episode: next.episode, step: next.step });
  }

  /** Search until all is found or the signal ends it. */
  async ask(api: Client, recording: string, query: string, signal: AbortSignal): Promise<void> {
    if (recording !== this.recording || !query.trim()) this.answer = this.failure = null;
    this.recording = recording;
    this.busy = query.trim() !== "" && recording !== "";
    if (!this.busy) return;
    try {
      for (let more = true; more; more = !this.answer!.finished) {
        const answer = await api.moments(recording, query, null, signal);
        if (signal.aborted) return;
        this.answer = answer;
        this.failure = null;
      }
      this.remember(query);
    } catch (error) {
      if (signal.aborted || aborted(error)) return;
      this.answer = null;
      this.failure = error;
    }
    this.busy = false;
  }

  async askOwn(api: Client, recording: string, episode: number, signal: AbortSignal) {
    const { query } = this.answer!;
    try {
      const { moments } = await api.moments(recording, query, episode, signal);
      if (!signal.aborted) this.own = { episode, moments };
    } catch {
      // The list alone marks what it holds.
    }
  }

  private remember(query: string): void {
    this.recent = remembered(this.recent, query);
    try {
      sessionStorage.setItem(SESSION, JSON.stringify(this.recent));
    } catch {
      // A browser that keeps nothing forgets them with the page.
    }
  }
}

function asked(): string[] {
  try {
    const held: unknown = JSON.parse(sessionStorage.getItem(SESSION) ?? "[]");
    return Array.isArray(held) ? held.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}

export const found = new Found();

/** Search for what the address asks for, for as long as a component lives. */
export function followQuery(api: Client): void {
  let round = $state(0);
  $effect(() => api.whenChanged((rec) => rec === shown.now.recording && (round += 1)));
  $effect(() => {
    void round;
    const { recording, find } = shown.now;
    const query = api.source.served ? find : "";
    const stop = new AbortController();
    untrack(() => void found.ask(api, recording, query, stop.signal));
    return () => stop.abort();
  });
  $effect(() => {
    const [{ page, recording, episode }, answer] = [shown.now, found.answer];
    const stop = new AbortController();
    untrack(() => {
      found.own = null;
      if (page !== "episode" || !answer?.cut || !answer.finished) return;
      void found.askOwn(api, recording, episode, stop.signal);
    });
    return () => stop.abort();
  });
}
