// Questions of which only the latest matters: one is on its way, the last one waits behind it.

import { aborted } from "../frame/told";

export interface Heard<Q, A> {
  answered(question: Q, answer: A): void;
  failed(question: Q, error: unknown): void;
  busy(now: boolean): void;
}

export class Asking<Q, A> {
  private flying: AbortController | null = null;
  private asked = "";
  private next: Q | null = null;

  constructor(
    private send: (question: Q, signal: AbortSignal) => Promise<A>,
    private heard: Heard<Q, A>,
  ) {}

  /**
   * Ask as soon as the question before it is answered, unless a later one comes first or it is
   * that question.
   */
  ask(question: Q): void {
    const again = this.flying !== null && JSON.stringify(question) === this.asked;
    this.next = again ? null : question;
    if (!this.flying) void this.fly();
  }

  /** Give up what waits; what is on its way is answered, as the server works on it anyhow. */
  rest(): void {
    this.next = null;
  }

  /** Give up what is on its way and what waits. */
  drop(): void {
    this.next = null;
    this.flying?.abort();
    this.flying = null;
    this.heard.busy(false);
  }

  private async fly(): Promise<void> {
    const question = this.next;
    if (question === null) return;
    this.next = null;
    const stop = (this.flying = new AbortController());
    this.asked = JSON.stringify(question);
    this.heard.busy(true);
    try {
      const answer = await this.send(question, stop.signal);
      if (this.flying === stop) this.heard.answered(question, answer);
    } catch (error) {
      if (this.flying === stop && !aborted(error)) this.heard.failed(question, error);
    }
    if (this.flying !== stop) return; // dropped, and perhaps asked anew since
    this.flying = null;
    if (this.next === null) this.heard.busy(false);
    else void this.fly();
  }
}
