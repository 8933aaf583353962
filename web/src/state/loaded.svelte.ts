// Something to load, for as long as a component lives.

import { aborted } from "../frame/told";

export class Loaded<T> {
  /** The last answer; it stays while the next one is on its way. */
  value = $state.raw<T | null>(null);
  failure = $state.raw<unknown>(null);
  private round = $state(0);

  /**
   * @param ask gives a request, or null where there is nothing to ask for; it is asked anew when what
   *   it reads changes, and the request before is given up.
   */
  constructor(ask: () => ((signal: AbortSignal) => Promise<T>) | null) {
    $effect(() => {
      void this.round;
      const request = ask();
      const stop = new AbortController();
      if (request) void this.load(request, stop.signal);
      else this.value = this.failure = null;
      return () => stop.abort();
    });
  }

  again = (): void => {
    this.round += 1;
  };

  private async load(request: (signal: AbortSignal) => Promise<T>, signal: AbortSignal) {
    try {
      const value = await request(signal);
      if (signal.aborted) return;
      this.value = value;
      this.failure = null;
    } catch (error) {
      if (signal.aborted || aborted(error)) return;
      this.value = null;
      this.failure = error;
    }
  }
}
