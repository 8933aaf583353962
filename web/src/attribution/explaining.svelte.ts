// Explanations of steps: asked one at a time, the step that is shown first; kept until there are many.

import type { Client } from "../api/client";
import type { AttributionRequest } from "../api/schema";
import { Asking } from "../live/asking";
import { inOneLine } from "../live/problem";
import { explained, neighbours, questionOf, reachOf, type Explained } from "./explain";

/** Bytes of all that are kept. */
const MEMORY = 48 * 2 ** 20;
/** Milliseconds: what takes longer is asked only for the step that is shown. */
const LONG = 2000;
const sizeOf = (answer: Explained) => 4096 + answer.map.byteLength + 100 * answer.shares.length;
const keyOf = (request: AttributionRequest) => JSON.stringify(questionOf(request));
/** One scale for all episodes of a recording. */
const scaleOf = (request: AttributionRequest) =>
  JSON.stringify({ ...questionOf(request), episode: 0 });

type Known = Map<number, Explained>;

export class Explaining {
  private kept = $state.raw(new Map<string, Known>());
  private reaches = $state.raw(new Map<string, number>());
  private wrong = $state.raw<{ request: string; text: string } | null>(null);
  private shown: AttributionRequest | null = null;
  private steps = 0;
  private way: 1 | -1 = 1;
  private asking: Asking<AttributionRequest, Explained> | null = null;
  private api: Client | null = null;
  private bytes = 0;

  constructor(
    private memory = MEMORY,
    private ahead = neighbours,
  ) {}

  /** Show a step: it is asked for, then its neighbours, until another one is shown. */
  show(api: Client, request: AttributionRequest, steps: number): void {
    if (this.api !== api) this.open(api);
    const { shown } = this;
    const moved = shown && keyOf(shown) === keyOf(request) ? request.step - shown.step : 0;
    if (moved) this.way = moved > 0 ? 1 : -1;
    [this.shown, this.steps] = [request, steps];
    if (this.of(request)) {
      this.asking!.rest();
      this.grow(request);
      this.askOn();
    } else if (this.failure(request) === null) this.asking!.ask(request);
  }

  /** Nothing is shown any more. */
  drop(): void {
    this.shown = null;
    this.wrong = null;
    this.asking?.rest();
  }

  /** Ask anew for everything, e.g. as a recording was made anew. */
  forget(): void {
    this.asking?.drop();
    this.api = null;
  }

  of(request: AttributionRequest): Explained | null {
    return this.kept.get(keyOf(request))?.get(request.step) ?? null;
  }

  /** All that is known of the episode. */
  all(request: AttributionRequest): Known {
    return this.kept.get(keyOf(request)) ?? new Map();
  }

  /** Why there is none; null where nothing is wrong. */
  failure(request: AttributionRequest): string | null {
    return this.wrong?.request === JSON.stringify(request) ? this.wrong.text : null;
  }

  /** End of the colours' scale: the largest size of what was shown, which only grows. */
  reach(request: AttributionRequest): number {
    return this.reaches.get(scaleOf(request)) || 1;
  }

  /** Let the scale reach at least so far, e.g. as all steps of an episode do. */
  grow(request: AttributionRequest, least = 0): void {
    const answer = this.of(request);
    const [scale, most] = [scaleOf(request), Math.max(least, answer ? reachOf(answer) : 0)];
    if (most <= (this.reaches.get(scale) ?? 0)) return;
    this.reaches = new Map(this.reaches).set(scale, most);
  }

  private open(api: Client): void {
    this.asking?.drop();
    this.api = api;
    this.kept = new Map();
    this.reaches = new Map();
    this.bytes = 0;
    this.wrong = this.shown = null;
    this.asking = new Asking(
      async (request, signal) => explained(await api.explain(request, signal)),
      {
        answered: (request, answer) => this.answered(request, answer),
        failed: (request, error) => {
          const text = JSON.stringify(request);
          if (text !== JSON.stringify(this.shown)) return; // nobody asked for a neighbour
          this.wrong = { request: text, text: inOneLine(error) };
        },
        busy: () => undefined,
      },
    );
  }

  private answered(request: AttributionRequest, answer: Explained): void {
    this.keep(request, answer);
    const { shown } = this;
    if (!shown) return;
    if (JSON.stringify(shown) === JSON.stringify(request)) {
      this.wrong = null;
      this.grow(request);
    }
    if (this.of(shown)) this.askOn();
  }

  private askOn(): void {
    const shown = this.shown!;
    const known = this.all(shown);
    if (known.get(shown.step)!.milliseconds > LONG) return;
    const next = this.ahead(shown.step, this.way, this.steps).find((step) => !known.has(step));
    if (next !== undefined) this.asking!.ask({ ...shown, step: next });
  }

  private keep(request: AttributionRequest, answer: Explained): void {
    const kept = new Map(this.kept);
    const key = keyOf(request);
    const known = new Map(kept.get(key));
    kept.delete(key); // now the last to go
    known.set(request.step, answer);
    kept.set(key, known);
    this.bytes += sizeOf(answer);
    for (const [oldest, answers] of kept) {
      if (this.bytes <= this.memory) break;
      const rest = new Map(answers);
      for (const [step, old] of answers) {
        if (this.bytes <= this.memory || old === answer) break;
        rest.delete(step);
        this.bytes -= sizeOf(old);
      }
      if (rest.size) kept.set(oldest, rest);
      else kept.delete(oldest);
    }
    this.kept = kept;
  }
}

export const explaining = new Explaining();
