// Tracks of an episode, each shown as it arrives.

import type { Client } from "../api/client";
import type { TrackValues } from "../api/schema";

/** A track, or why there is none. */
export interface Found {
  name: string;
  values: TrackValues | null;
  problem: string;
}

export class Tracks {
  found = $state.raw<Found[]>([]);
  busy = $state(false);
  private place = "";
  private held = new Map<string, Found>();
  private turn = 0;

  constructor(private api: Client) {}

  /** Show these tracks of an episode; those it has already are not asked for again. */
  async want(rec: string, k: number, names: string[]): Promise<void> {
    const turn = ++this.turn;
    const place = `${rec} ${k}`;
    if (place !== this.place) {
      this.held = new Map();
      this.found = this.found.map(empty);
      this.place = place;
    }
    const held = this.held;
    for (const [name, one] of held) if (one.problem || !names.includes(name)) held.delete(name);
    const show = () => (this.found = this.shown(names));
    show();
    const missing = names.filter((name) => !held.has(name));
    this.busy = missing.length > 0;
    await Promise.all(
      missing.map(async (name) => {
        const one = await this.ask(rec, k, name);
        held.set(name, one);
        if (turn === this.turn) show();
      }),
    );
    if (turn === this.turn) this.busy = false;
  }

  /** What has come, and what was there before: without its values, where another is on its way. */
  private shown(names: string[]): Found[] {
    const before = new Map(this.found.map((one) => [one.name, one]));
    return names.flatMap((name) => this.held.get(name) ?? before.get(name) ?? []);
  }

  private async ask(rec: string, k: number, name: string): Promise<Found> {
    try {
      const [values] = await this.api.tracks(rec, k, [name]);
      if (values) return { name, values, problem: "" };
      return { name, values: null, problem: `there is no track '${name}'` };
    } catch (error) {
      return { name, values: null, problem: error instanceof Error ? error.message : "failed" };
    }
  }
}

/** A track of the episode before keeps its place in the page, and nothing it tells. */
function empty(one: Found): Found {
  return { ...one, values: one.values && { ...one.values, values: [], python: "" }, problem: "" };
}
