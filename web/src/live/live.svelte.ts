// The live view: what would the agent do at this step, if the scene or the observation were changed?
//
// All changes stand in the address. They belong to the step they were made at: the step that is left
// keeps them until it is come back to, unless `pinned` takes them along.

import { untrack } from "svelte";
import type { Client } from "../api/client";
import type { LiveAnswer, LiveRequest } from "../api/schema";
import { shown } from "../state/view.svelte";
import { Asking } from "./asking";
import * as edit from "./changes";
import { isNone, NONE, same, type Changes } from "./changes";
import { History, Shelf } from "./history";
import { inOneLine } from "./problem";

/** A question without changes only warms the server up; scrubbing sends none. */
const REST_MS = 300;

interface Place {
  recording: string;
  episode: number;
  step: number;
}

const keyOf = ({ recording, episode, step }: Place) => JSON.stringify([recording, episode, step]);

class Live {
  /** Whether the changes go along from step to step. */
  get pinned(): boolean {
    return shown.now.pinned;
  }
  set pinned(next: boolean) {
    shown.go({ pinned: next });
  }
  /** Why there is no answer to the present question; null where nothing is wrong. */
  failure = $state<string | null>(null);
  /** Whether a question is on its way. */
  busy = $state(false);
  private place = $state.raw<Place | null>(null);
  private told = $state.raw<{ question: LiveRequest; answer: LiveAnswer } | null>(null);
  private undone = $state(0);
  private history = new History();
  private shelf = new Shelf();
  private asking: Asking<LiveRequest, LiveAnswer> | null = null;
  private api: Client | null = null;
  private holders = 0;

  /** What is asked; null while the live view is closed or cannot be had. */
  question = $derived.by((): LiveRequest | null => {
    if (!this.place) return null;
    const { scene, observation, actions, targets, large } = shown.now;
    const asked = { ...this.place, scene, observation, actions, targets, large };
    return $state.snapshot(asked) as LiveRequest;
  });

  /** The last answer about this step; null where there is none, or the last one no longer holds. */
  answer = $derived.by((): LiveAnswer | null => {
    if (!this.told || !this.question || keyOf(this.told.question) !== keyOf(this.question)) {
      return null;
    }
    const changed = isNone(changesOf(this.question));
    return changed === isNone(changesOf(this.told.question)) ? this.told.answer : null;
  });

  /** Whether anything is changed. */
  get changed(): boolean {
    return !isNone(shown.now);
  }

  /** Whether the last change can be taken back. */
  get undoable(): boolean {
    void this.undone;
    return this.place !== null && this.history.has(keyOf(this.place));
  }

  /** Answer questions about a step for as long as the effect it is called in; see LivePanel. */
  open(api: Client, place: Place): void {
    if (this.api !== api) {
      this.api = api;
      this.asking = new Asking((question, signal) => api.ask(question, signal), {
        answered: (question, answer) => {
          this.told = { question, answer };
          this.failure = null;
        },
        failed: (question, error) => {
          if (!this.place || keyOf(question) !== keyOf(this.place)) return;
          this.told = null;
          this.failure = inOneLine(error);
        },
        busy: (now) => (this.busy = now),
      });
    }
    this.goTo(place);
  }

  /** Keep the live view open until the function that it gives is called. */
  hold(): () => void {
    this.holders += 1;
    return () => {
      this.holders -= 1;
      // Later: while a component is taken down, the view reads as it was before.
      queueMicrotask(() => this.holders || this.close());
    };
  }

  /** A closed live view changes nothing; opened again it is as it was. */
  close(): void {
    if (this.place) this.leave(this.place);
    if (this.changed && same(changesOf(shown.now), this.seen)) shown.go({ ...NONE });
    this.asking?.drop();
    this.place = this.told = this.failure = null;
    this.seen = NONE;
  }

  /** Ask the present question: at once where something is changed, else when all is at rest. */
  ask(): () => void {
    const { question, asking } = this;
    if (!question || !asking) return () => undefined;
    this.seen = changesOf(question);
    if (!isNone(this.seen) || question.targets?.length) {
      asking.ask(question);
      return () => undefined;
    }
    asking.rest();
    this.failure = null;
    const timer = setTimeout(() => asking.ask(question), REST_MS);
    return () => clearTimeout(timer);
  }

  /** Move a vehicle to x, y in metres; heading in radians. */
  moveEntity(identity: number, x: number, y: number, heading?: number): void {
    this.change(`move ${identity}`, { scene: edit.moved(this.scene, identity, x, y, heading) });
  }
  /** Another speed in m/s. */
  setSpeed(identity: number, speed: number): void {
    this.change(`speed ${identity}`, { scene: edit.sped(this.scene, identity, speed) });
  }
  remove(identity: number): void {
    this.change(`remove ${identity}`, { scene: edit.removed(this.scene, identity) });
  }
  /** One vehicle more at x, y in metres with a speed in m/s. */
  addVehicle(x: number, y: number, speed: number): void {
    this.change("", { scene: edit.added(this.scene, x, y, speed) });
  }
  /** Take back one change of the scene. `recorded` are the vehicles that were there. */
  removeChange(index: number, recorded: ReadonlySet<number>): void {
    this.change("", { scene: edit.without(this.scene, index, recorded) });
  }
  /** Set one number of the observation; null takes the change back. */
  setObservation(index: number[], value: number | null): void {
    const observation = $state.snapshot(shown.now.observation);
    this.change(`observe ${index.join()}`, {
      observation: edit.observed(observation, index, value),
    });
  }
  /** Execute actions, by index, before the agent is asked. */
  setActions(actions: number[]): void {
    this.change("", { actions });
  }
  reset(): void {
    if (this.changed) this.change("", { ...NONE });
  }
  /** Take the last change at this step back. */
  undo(): void {
    const before = this.place && this.history.back(keyOf(this.place));
    this.undone += 1;
    if (before) this.show(before);
  }

  /** Add a target once the server has read it; gives what is wrong with it, or null. */
  async addTarget(target: string): Promise<string | null> {
    const text = target.trim();
    if (!text || !this.api || !this.question) return null;
    if (shown.now.targets.includes(text)) return `'${text}' is in the list`;
    try {
      await this.api.ask({ ...this.question, targets: [text] });
    } catch (error) {
      return inOneLine(error);
    }
    shown.go({ targets: [...shown.now.targets, text] });
    return null;
  }
  removeTarget(target: string): void {
    shown.go({ targets: shown.now.targets.filter((text) => text !== target) });
  }

  private get scene() {
    return $state.snapshot(shown.now.scene);
  }

  private change(tag: string, change: Partial<Changes>): void {
    if (!this.place) return;
    this.history.note(keyOf(this.place), changesOf(shown.now), tag, performance.now());
    this.undone += 1;
    this.show(change);
  }

  private show(change: Partial<Changes>): void {
    shown.go(change);
    this.seen = changesOf(shown.now);
  }

  // ---------------------------------------------------------------- from step to step

  /** The changes as they were when the present place was last looked at. */
  private seen: Changes = NONE;

  private goTo(place: Place): void {
    untrack(() => {
      const from = this.place;
      if (from && keyOf(from) === keyOf(place)) return;
      this.place = place;
      this.told = this.failure = null;
      const now = changesOf(shown.now);
      const carried = from !== null && same(now, this.seen);
      if (from && carried && this.pinned) return this.history.carry(keyOf(from), keyOf(place));
      if (from) this.leave(from);
      // What the address says is shown; what was only carried along gives way.
      if (carried || isNone(now)) this.take(place);
      else this.seen = now;
    });
  }

  private leave(from: Place): void {
    this.shelf.put(keyOf(from), this.seen);
  }

  private take(place: Place): void {
    const wanted = this.shelf.take(keyOf(place));
    if (!same(wanted, changesOf(shown.now))) shown.go({ ...wanted });
    this.seen = wanted;
  }
}

function changesOf(of: {
  scene?: unknown[];
  observation?: unknown[];
  actions?: number[];
}): Changes {
  const { scene = [], observation = [], actions = [] } = of;
  return $state.snapshot({ scene, observation, actions }) as Changes;
}

export const live = new Live();
