// Requests that wait their turn, the latest first: what came into view last is looked at now.

interface Waiting {
  run: () => Promise<void>;
  give: (error: unknown) => void;
  signal: AbortSignal;
}

export class Queue {
  private waiting: Waiting[] = [];
  private running = 0;

  constructor(private atOnce: number) {}

  add<T>(ask: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const run = () => ask(signal).then(resolve, reject);
      this.waiting.push({ run, give: reject, signal });
      this.next();
    });
  }

  private next(): void {
    while (this.running < this.atOnce) {
      const job = this.waiting.pop();
      if (!job) return;
      if (job.signal.aborted) {
        job.give(new DOMException("given up", "AbortError"));
        continue;
      }
      this.running += 1;
      void job.run().finally(() => {
        this.running -= 1;
        this.next();
      });
    }
  }
}

/** Thumbnails of all tables: a browser opens about six connections to a server. */
export const thumbnails = new Queue(5);
