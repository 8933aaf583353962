// A source that remembers the last answers, so that going back to an episode is instant.

import { Failure, type Source } from "./source";

/** How many answers to remember of each kind of resource; what fits no kind is always asked for. */
const KINDS: [RegExp, number][] = [
  [/^\/api\/recordings\/[^/?]+$/, 8],
  [/^\/api\/recordings\/[^/?]+\/episodes$/, 4],
  [/^\/api\/recordings\/[^/?]+\/episodes\/\d+$/, 64],
  [/^\/api\/recordings\/[^/?]+\/episodes\/\d+\/thumbnail$/, 600],
  [/^\/api\/results\/[^/?]+$/, 16],
];

interface Entry {
  answer: Promise<unknown>;
  settled: boolean;
  waiting: number;
  stop: AbortController;
}

export class Cached implements Source {
  readonly served: boolean;
  private kinds = KINDS.map(() => new Map<string, Entry>());

  /** Addresses whose bytes have changed, each told once. */
  private told = new Set<string>();
  private listeners = new Set<(rec: string) => void>();

  constructor(private source: Source) {
    this.served = source.served;
  }

  /** Tell when a recording turns out to have changed; gives a function that ends it. */
  whenChanged(tell: (rec: string) => void): () => void {
    this.listeners.add(tell);
    return () => this.listeners.delete(tell);
  }

  json<T>(path: string, signal?: AbortSignal): Promise<T> {
    const kind = KINDS.findIndex(([pattern]) => pattern.test(path));
    if (kind < 0) return this.source.json<T>(path, signal);
    if (signal?.aborted) return Promise.reject(abortion());
    const entries = this.kinds[kind]!;
    const entry = entries.get(path) ?? this.ask(path, entries);
    entries.delete(path);
    entries.set(path, entry);
    while (entries.size > KINDS[kind]![1]) entries.delete(entries.keys().next().value!);
    return this.wait<T>(entry, signal);
  }

  /** Forget what was answered under a path; everything by default. */
  forget(under = "/"): void {
    for (const entries of this.kinds) {
      for (const path of [...entries.keys()]) {
        if (path === under || path.startsWith(under === "/" ? under : `${under}/`)) {
          entries.delete(path);
        }
      }
    }
  }

  async bytes(path: string, from: number, to: number, signal?: AbortSignal): Promise<ArrayBuffer> {
    try {
      return await this.source.bytes(path, from, to, signal);
    } catch (error) {
      if (error instanceof Failure && error.code === "changed") this.tell(path);
      throw error;
    }
  }

  send: Source["send"] = (method, path, body, signal) =>
    this.source.send(method, path, body, signal);

  // Once for each address, so that a server that never agrees is not asked on and on.
  private tell(path: string): void {
    const rec = /^\/api\/recordings\/([^/?]+)/.exec(path)?.[1];
    if (rec === undefined || this.told.has(path)) return;
    this.told.add(path);
    this.forget(`/api/recordings/${rec}`);
    for (const listener of this.listeners) listener(decodeURIComponent(rec));
  }

  private ask(path: string, entries: Map<string, Entry>): Entry {
    const stop = new AbortController();
    const answer = this.source.json(path, stop.signal);
    const entry: Entry = { answer, settled: false, waiting: 0, stop };
    const drop = () => {
      if (entries.get(path) === entry) entries.delete(path);
    };
    stop.signal.addEventListener("abort", drop);
    answer.then(() => (entry.settled = true), drop);
    return entry;
  }

  // Several may wait for one request; it is given up when none of them waits any more.
  private wait<T>(entry: Entry, signal?: AbortSignal): Promise<T> {
    if (!signal || entry.settled) {
      entry.waiting += 1;
      return entry.answer as Promise<T>;
    }
    entry.waiting += 1;
    return new Promise<T>((resolve, reject) => {
      const leave = () => {
        entry.waiting -= 1;
        if (!entry.waiting && !entry.settled) entry.stop.abort();
        reject(abortion());
      };
      signal.addEventListener("abort", leave, { once: true });
      (entry.answer as Promise<T>)
        .then(resolve, reject)
        .finally(() => signal.removeEventListener("abort", leave));
    });
  }
}

function abortion(): DOMException {
  return new DOMException("given up", "AbortError");
}
