// Jobs of the server: asked for while one runs or somebody looks.

import type { Client } from "../api/client";
import type { Job, JobRequest } from "../api/schema";
import { inOneLine } from "../live/problem";
import { forget } from "../model/episode";

export const PAUSE_MS = 1000;

class Jobs {
  list = $state.raw<Job[]>([]);
  failure = $state<string | null>(null);
  /** How many jobs have ended well while the page was open: the library then holds more. */
  finished = $state(0);
  /** The job that was begun last from this page. */
  latest: string | null = null;
  private looked = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asking = false;
  /** Something happened after the question that is on its way was sent. */
  private again = false;
  private api: Client | null = null;

  get running(): number {
    return this.list.filter(({ state }) => state === "running").length;
  }

  /** Ask once, and on while something runs; gives a function that stops. */
  follow(api: Client): () => void {
    this.api = api;
    void this.poll();
    return () => {
      this.api = null;
      this.looked = 0;
      clearTimeout(this.timer);
    };
  }

  /** Ask for as long as somebody looks; gives a function that ends it. */
  look(): () => void {
    this.looked += 1;
    void this.poll();
    let ended = false;
    return () => {
      if (!ended) this.looked = Math.max(0, this.looked - 1);
      ended = true;
    };
  }

  /** Begin a job; gives what is wrong with it, or null. */
  async begin(wanted: JobRequest): Promise<string | null> {
    return this.act(async (api) => {
      const job = await api.beginJob(wanted);
      this.latest = job.id;
      return job;
    });
  }

  /** Cancel a job; gives why that cannot be, or null. */
  async cancel(id: string): Promise<string | null> {
    return this.act((api) => api.cancelJob(id));
  }

  private async act(send: (api: Client) => Promise<Job>): Promise<string | null> {
    if (!this.api) return "there is no server";
    try {
      const job = await send(this.api);
      this.take([job, ...this.list.filter(({ id }) => id !== job.id)]);
    } catch (error) {
      return inOneLine(error);
    }
    void this.poll();
    return null;
  }

  private async poll(): Promise<void> {
    clearTimeout(this.timer);
    const api = this.api;
    if (!api || !api.source.served) return;
    if (this.asking) {
      this.again = true;
      return;
    }
    [this.asking, this.again] = [true, false];
    try {
      const list = await api.jobs();
      if (this.api === api && !this.again) this.take(list);
      this.failure = null;
    } catch (error) {
      this.failure = inOneLine(error);
    }
    this.asking = false;
    if (this.again) return this.poll();
    if (this.api && (this.running || this.looked)) {
      this.timer = setTimeout(() => void this.poll(), PAUSE_MS);
    }
  }

  private take(list: Job[]): void {
    const before = new Map(this.list.map(({ id, state }) => [id, state]));
    const ended = list.filter((job) => job.state === "done" && before.get(job.id) === "running");
    if (this.api) for (const job of ended) forget(this.api, job.recording);
    this.list = list;
    this.finished += ended.length;
  }
}

export const jobs = new Jobs();

/** "12 s", "3 min 5 s": how long a job ran or runs. */
export function elapsed(job: Job, now: number): string {
  const end = job.ended ? Date.parse(job.ended) : now;
  const seconds = Math.max(0, Math.round((end - Date.parse(job.began)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Between 0 and 1; null where nobody knows how much there is. */
export function progress({ done, total }: Job): number | null {
  return total ? Math.min(1, done / total) : null;
}
