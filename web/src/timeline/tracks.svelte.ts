// Tracks of an episode as they arrive; the old ones stay until the new ones are there.

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
    if (place === this.place) this.found = this.found.filter((one) => names.includes(one.name));
    else this.held = new Map();
    this.place = place;
    const held = this.held;
    const missing = names.filter((name) => !held.has(name));
    this.busy = missing.length > 0;
    const arrived = await Promise.all(missing.map((name) => this.ask(rec, k, name)));
    for (const one of arrived) held.set(one.name, one);
    if (turn !== this.turn) return;
    for (const name of held.keys()) if (!names.includes(name)) held.delete(name);
    this.found = names.flatMap((name) => held.get(name) ?? []);
    this.busy = false;
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
