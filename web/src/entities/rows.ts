// The entities of an episode by identity: who is seen when, and what each layer says of them.

import { entityName, type Entity, type Episode } from "../model/episode";
import { areWeights, numbersAt, strength, type Layer } from "../model/layers";
import { seenIn } from "../model/places";

export interface EntityRow {
  identity: number;
  kind: string;
  /** By step: 0 not in the scene, 1 in the scene only, 2 in the observation. */
  presence: Uint8Array;
}

export const IN_OBSERVATION = 2;

/** Rows of entities that some observation shows, and names of those that none does. */
export function entityRows(
  episode: Episode,
  marked: (kind: string) => boolean = () => true,
): { rows: EntityRow[]; never: string[] } {
  const byIdentity = new Map<number, EntityRow>();
  episode.entities.forEach((entities, t) => {
    const seen = seenIn(episode.recording, entities);
    for (const entity of entities) {
      const { identity, kind } = entity;
      if (!marked(kind)) continue;
      let row = byIdentity.get(identity);
      if (!row) {
        row = { identity, kind, presence: new Uint8Array(episode.steps) };
        byIdentity.set(identity, row);
      }
      row.presence[t] = seen(entity) ? IN_OBSERVATION : 1;
    }
  });
  const rows: EntityRow[] = [];
  const never: string[] = [];
  for (const row of [...byIdentity.values()].sort((a, b) => a.identity - b.identity)) {
    if (row.identity === 0 || row.presence.includes(IN_OBSERVATION)) rows.push(row);
    else never.push(entityName(row.identity, row.kind));
  }
  return { rows, never: [...new Set(never)] };
}

/** Numbers of every layer over all steps on every entity: by identity (layers, T), else NaN. */
export function history(layers: Layer[], steps: number): Map<number, Float32Array[]> {
  const found = new Map<number, Float32Array[]>();
  layers.forEach((layer, place) => {
    for (let t = 0; t < steps; t += 1) {
      for (const [identity, value] of numbersAt(layer, t)) {
        let lines = found.get(identity);
        if (!lines) {
          lines = layers.map(() => new Float32Array(steps).fill(NaN));
          found.set(identity, lines);
        }
        lines[place]![t] = value;
      }
    }
  });
  return found;
}

/** A number in the width of a bar: weights lose their zero. */
export function shortNumber(value: number, layer: Layer): string {
  if (areWeights(layer.overlay)) return value.toFixed(2).replace(/^0/, "");
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits).replace("-", "\u2212");
}

export interface Bar {
  /** Between 0 and 1. */
  share: number;
  colour: string;
  text: string;
}

const LEAST = 0.01;

/** The bar of a layer's number; nothing where it is too small to see. */
export function barOf(value: number | undefined, layer: Layer): Bar | null {
  if (value === undefined) return null;
  const share = strength(value, layer.overlay);
  if (Math.abs(share) < LEAST) return null;
  const signed = layer.signed && (value < 0 ? "var(--minus)" : "var(--plus)");
  return {
    share: Math.min(1, Math.abs(share)),
    colour: signed || layer.colour,
    text: shortNumber(value, layer),
  };
}

export function byIdentity(entities: Entity[]): Map<number, Entity> {
  return new Map(entities.map((entity) => [entity.identity, entity]));
}

/** Names over the bars; short ones without the words that all of them begin with. */
export function headNames(layers: Layer[], short: boolean): string[] {
  const names = layers.map((layer) => layer.name);
  if (!short || names.length < 2) return names;
  let shared = names[0]!.split(" ");
  for (const words of names.map((name) => name.split(" "))) {
    const end = shared.findIndex((word, i) => word !== words[i] || i === words.length - 1);
    if (end >= 0) shared = shared.slice(0, end);
  }
  return names.map((name) => name.split(" ").slice(shared.length).join(" "));
}
