// A fork while it is played and when it is done, and the forks of this session.

import type { Client } from "../api/client";
import type { Fork, ForkRequest } from "../api/schema";
import { aborted } from "../frame/told";
import { loadFuture, type Episode } from "../model/episode";
import type { ForkPlace } from "../state/address";
import { sameFork, type Futures } from "./future";

export interface Seen {
  recording: string;
  episode: number;
  fork: ForkPlace;
  told: string;
}

const MOST_SEEN = 50;

class Session {
  /** Forks that were played, the newest first. */
  seen = $state.raw<Seen[]>([]);

  add(fork: Seen): void {
    const others = this.seen.filter((one) => !isSame(one, fork));
    this.seen = [fork, ...others].slice(0, MOST_SEEN);
  }

  of(recording: string): Seen[] {
    return this.seen.filter((one) => one.recording === recording);
  }
}

export const session = new Session();

function isSame(one: Seen, other: Seen): boolean {
  const place = one.recording === other.recording && one.episode === other.episode;
  return place && sameFork(one.fork, other.fork);
}

export class Play {
  /** How far the fork is; null before the server has told. */
  told = $state.raw<Fork | null>(null);
  /** Both sides of its first pair; the last fork's stay until the next one's are there. */
  futures = $state.raw<Futures | null>(null);
  failure = $state.raw<unknown>(null);
  private round = $state(0);

  /**
   * @param wanted the fork to play; null for none. It is played anew when what it reads changes, and
   *   the fork before is stopped unless it is done.
   * @param recorded the episode it is of, once that is read.
   */
  constructor(
    private api: Client,
    wanted: () => ForkRequest | null,
    recorded: () => Episode | null,
  ) {
    const text = $derived(JSON.stringify(wanted()));
    $effect(() => {
      void this.round;
      const request = JSON.parse(text) as ForkRequest | null;
      const episode = recorded();
      this.told = this.failure = null;
      if (!request) this.futures = null;
      if (!request || !episode) return;
      const stop = new AbortController();
      void this.run(request, episode, stop.signal);
      return () => stop.abort();
    });
  }

  again = (): void => {
    this.round += 1;
  };

  /** Stop what is played. */
  stop = async (): Promise<void> => {
    if (this.told) this.told = await this.api.stopFork(this.told.id);
  };

  private async run(request: ForkRequest, episode: Episode, signal: AbortSignal): Promise<void> {
    let id: string | null = null;
    try {
      let fork = await this.api.playFork(request, signal);
      while (fork.state === "playing") {
        id = fork.id;
        if (this.told?.state === "stopped") return;
        this.told = fork;
        fork = await this.api.fork(fork.id, signal);
      }
      id = null;
      await this.show(fork, episode, signal);
    } catch (error) {
      if (signal.aborted && id) this.api.stopFork(id).catch(() => undefined);
      if (signal.aborted || aborted(error) || this.told?.state === "stopped") return;
      this.failure = error;
      this.futures = null;
    }
  }

  private async show(fork: Fork, episode: Episode, signal: AbortSignal): Promise<void> {
    if (!fork.answer) return;
    const { kept, changed } = fork.answer;
    const [one, other] = await Promise.all(
      [kept, changed].map(({ detail }) => loadFuture(this.api, episode, detail)),
    );
    if (signal.aborted) return;
    this.told = fork;
    this.futures = { kept: one!, changed: other! };
    const { recording, episode: k, step, pairs = 1, scene = [] } = fork.request;
    const { edits = [], during = null } = fork.request;
    const told = fork.answer.told.join(", ") || "no change";
    session.add({ recording, episode: k, fork: { step, pairs, scene, edits, during }, told });
  }
}
