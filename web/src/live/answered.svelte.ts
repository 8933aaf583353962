// The answer to one question about a step, asked once the page is at rest; kept until the next.

import type { Client } from "../api/client";
import { Asking } from "./asking";
import { inOneLine } from "./problem";

interface Place {
  recording: string;
  episode: number;
  step: number;
}

const keyOf = ({ recording, episode, step }: Place) => JSON.stringify([recording, episode, step]);

export class Answered<Q extends Place, A> {
  /** Whether a question is on its way. */
  busy = $state(false);
  private told = $state.raw<{ question: Q; answer: A } | null>(null);
  private wrong = $state.raw<{ question: string; text: string } | null>(null);
  private asking: Asking<Q, A> | null = null;
  private api: Client | null = null;

  constructor(
    private send: (api: Client, question: Q, signal: AbortSignal) => Promise<A>,
    private restMs: number,
  ) {}

  /** Ask, unless it is answered already; to be called in an effect, with what it gives to end it. */
  ask(api: Client, question: Q): () => void {
    const text = JSON.stringify(question);
    if (this.api !== api) this.open(api);
    if (this.told && JSON.stringify(this.told.question) === text) return () => undefined;
    const timer = setTimeout(() => this.asking!.ask(JSON.parse(text) as Q), this.restMs);
    return () => {
      clearTimeout(timer);
      this.asking!.rest();
    };
  }

  /** Give up what is on its way. */
  drop(): void {
    this.asking?.drop();
    this.wrong = null;
  }

  /** The answer to this question, or the last one about its step while this one is on its way. */
  near(question: Q): A | null {
    const { told } = this;
    return told && keyOf(told.question) === keyOf(question) ? told.answer : null;
  }

  /** The answer to this question. */
  of(question: Q): A | null {
    const { told } = this;
    return told && JSON.stringify(told.question) === JSON.stringify(question) ? told.answer : null;
  }

  /** Why there is none; null where nothing is wrong. */
  failure(question: Q): string | null {
    return this.wrong?.question === JSON.stringify(question) ? this.wrong.text : null;
  }

  private open(api: Client): void {
    this.asking?.drop();
    this.api = api;
    this.told = this.wrong = null;
    this.asking = new Asking((question, signal) => this.send(api, question, signal), {
      answered: (question, answer) => {
        this.told = { question, answer };
        this.wrong = null;
      },
      failed: (question, error) => {
        this.told = null;
        this.wrong = { question: JSON.stringify(question), text: inOneLine(error) };
      },
      busy: (now) => (this.busy = now),
    });
  }
}
