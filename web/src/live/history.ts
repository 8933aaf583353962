// What was before each change, to go back to; and the changes of steps that were left.

import { isNone, NONE, type Changes } from "./changes";

const LONGEST = 200;
/** Changes of one kind within this time, e.g. while a vehicle is dragged, are undone together. */
const TOGETHER_MS = 700;

interface Entry {
  place: string;
  before: Changes;
}

export class History {
  private entries: Entry[] = [];
  private last = { tag: "", at: -Infinity };

  /** Remember what was before a change; `tag` names its kind and whom it changes, if not empty. */
  note(place: string, before: Changes, tag: string, now: number): void {
    const goesOn = tag !== "" && tag === this.last.tag && now - this.last.at < TOGETHER_MS;
    this.last = { tag, at: now };
    if (goesOn && this.entries.at(-1)?.place === place) return;
    this.entries.push({ place, before });
    if (this.entries.length > LONGEST) this.entries.shift();
  }

  /** What was changed at one place goes along to another. */
  carry(from: string, to: string): void {
    for (const entry of this.entries) if (entry.place === from) entry.place = to;
  }

  has(place: string): boolean {
    return this.entries.some((entry) => entry.place === place);
  }

  /** What was before the last change at a place; null where there was none. */
  back(place: string): Changes | null {
    const at = this.entries.findLastIndex((entry) => entry.place === place);
    this.last = { tag: "", at: -Infinity };
    return at < 0 ? null : this.entries.splice(at, 1)[0]!.before;
  }
}

/** Changes of the steps that were left, until they are come back to. */
export class Shelf {
  private kept = new Map<string, Changes>();

  put(place: string, changes: Changes): void {
    this.kept.delete(place);
    if (!isNone(changes)) this.kept.set(place, changes);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= LONGEST) break;
      this.kept.delete(oldest);
    }
  }

  take(place: string): Changes {
    const changes = this.kept.get(place) ?? NONE;
    this.kept.delete(place);
    return changes;
  }
}
