// How far explanations of an episode hold: measured by the server while somebody asks on.

import type { Client } from "../api/client";
import type { AttributionQuestion, TrustLine } from "../api/schema";
import { aborted } from "../frame/told";
import { inOneLine } from "../live/problem";

/** Milliseconds until a question is asked first, and from one answer to the next question. */
const REST_MS = 1000;
const PAUSE_MS = 700;
const MOST_KEPT = 200;

export class Trusting {
  private kept = $state.raw(new Map<string, TrustLine | string>());

  constructor(
    private restMs = REST_MS,
    private pauseMs = PAUSE_MS,
  ) {}

  /** Ask on until it is measured; to be called in an effect, with what it gives to end it. */
  ask(api: Client, question: string): () => void {
    const known = this.kept.get(question);
    if (typeof known === "string" || known?.measured) return () => undefined;
    const stop = new AbortController();
    const wanted = JSON.parse(question) as AttributionQuestion;
    const next = async () => {
      try {
        const line = await api.trust(wanted, stop.signal);
        if (stop.signal.aborted) return;
        this.keep(question, line);
        if (!line.measured) timer = setTimeout(next, this.pauseMs);
      } catch (error) {
        if (!stop.signal.aborted && !aborted(error)) this.keep(question, inOneLine(error));
      }
    };
    let timer = setTimeout(next, this.restMs);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }

  /** Ask anew for everything. */
  forget(): void {
    this.kept = new Map();
  }

  /** The line as far as it is measured; null where nothing is known yet. */
  of(question: string): TrustLine | null {
    const known = this.kept.get(question);
    return known && typeof known !== "string" ? known : null;
  }

  /** Why there is none; null where nothing is wrong. */
  failure(question: string): string | null {
    const known = this.kept.get(question);
    return typeof known === "string" ? known : null;
  }

  private keep(question: string, line: TrustLine | string): void {
    const kept = new Map(this.kept);
    kept.delete(question);
    kept.set(question, line);
    for (const oldest of kept.keys()) {
      if (kept.size <= MOST_KEPT) break;
      kept.delete(oldest);
    }
    this.kept = kept;
  }
}

export const trusting = new Trusting();
