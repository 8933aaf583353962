// Where the numbers of overlays over entities are drawn: ribbons, rings and discs, in metres.

import type { Entity } from "../model/episode";
import { areWeights, numbersAt, strength, type Layer, type LiveWeights } from "../model/layers";

export const LEAST_WEIGHT = 0.01;
const LINE_METRES = 3;
const RING_METRES = LINE_METRES / 2;
const RING_RADIUS = 3.6;
const RING_GAP = 0.25;
const DISC_METRES = 6;
const LEAST_STRENGTH = 0.02;

interface Mark {
  key: string;
  layer: number;
  identity: number;
  value: number;
  colour: string;
}

/** From the ego to an entity, as wide as its weight. */
export interface Ribbon extends Mark {
  x1: number;
  y1: number;
  x2: number;
  y2: number;
  width: number;
}

/** Around the ego: weight on itself. */
export interface Ring extends Mark {
  x: number;
  y: number;
  radius: number;
  width: number;
}

/** Under an entity: a number that is no share of a weight. */
export interface Disc extends Mark {
  x: number;
  y: number;
  radius: number;
  opacity: number;
}

export interface Marks {
  ribbons: Ribbon[];
  rings: Ring[];
  discs: Disc[];
}

export function marksAt(
  layers: Layer[],
  entities: Entity[],
  step: number,
  live?: LiveWeights,
): Marks {
  const numbers = layers.map((layer) => numbersAt(layer, step, live));
  const ego = entities.find((entity) => entity.identity === 0);
  const weights = layers.filter((layer) => areWeights(layer.overlay));
  const others = layers.filter(
    (layer) => layer.overlay.info.over === "entities" && !areWeights(layer.overlay),
  );
  const ribbons: Ribbon[] = [];
  if (ego) {
    for (const entity of entities) {
      if (entity !== ego) ribbons.push(...ribbonsTo(ego, entity, weights, numbers));
    }
  }
  return {
    ribbons,
    rings: ego ? ringsOf(ego, weights, numbers) : [],
    discs: entities.flatMap((entity) => discsOn(entity, others, numbers)),
  };
}

type Numbered = Map<number, number>[];

function ribbonsTo(ego: Entity, to: Entity, layers: Layer[], numbers: Numbered): Ribbon[] {
  const [dx, dy] = [to.x - ego.x, to.y - ego.y];
  const length = Math.hypot(dx, dy) || 1;
  const [nx, ny] = [-dy / length, dx / length];
  const drawn = layers
    .map((layer) => ({ layer, value: numbers[layer.index]!.get(to.identity) ?? 0 }))
    .filter(({ value }) => value >= LEAST_WEIGHT);
  let offset = (-drawn.reduce((sum, { value }) => sum + value, 0) * LINE_METRES) / 2;
  return drawn.map(({ layer, value }) => {
    const width = value * LINE_METRES;
    const shift = offset + width / 2;
    offset += width;
    return {
      ...mark(layer, to.identity, value),
      x1: ego.x + nx * shift,
      y1: ego.y + ny * shift,
      x2: to.x + nx * shift,
      y2: to.y + ny * shift,
      width,
    };
  });
}

function ringsOf(ego: Entity, layers: Layer[], numbers: Numbered): Ring[] {
  let inner = RING_RADIUS;
  const rings: Ring[] = [];
  for (const layer of layers) {
    const value = numbers[layer.index]!.get(ego.identity) ?? 0;
    if (value < LEAST_WEIGHT) continue;
    const width = value * RING_METRES;
    const radius = inner + width / 2;
    rings.push({ ...mark(layer, ego.identity, value), x: ego.x, y: ego.y, radius, width });
    inner += width + RING_GAP;
  }
  return rings;
}

/** Metres from the ego's centre to the outside of its rings. */
export function reachOf(rings: Ring[]): number {
  const last = rings.at(-1);
  return last ? last.radius + last.width / 2 : 2.2;
}

function discsOn(entity: Entity, layers: Layer[], numbers: Numbered): Disc[] {
  const discs: Disc[] = [];
  layers.forEach((layer, place) => {
    const value = numbers[layer.index]!.get(entity.identity);
    if (value === undefined) return;
    const share = Math.max(-1, Math.min(strength(value, layer.overlay), 1));
    if (Math.abs(share) < LEAST_STRENGTH) return;
    const alone = layers.length === 1;
    const angle = (place / layers.length) * 2 * Math.PI - Math.PI / 2;
    const away = alone ? 0 : DISC_METRES / 2;
    const size = alone ? DISC_METRES : DISC_METRES / 2;
    discs.push({
      ...mark(layer, entity.identity, value),
      colour: layer.signed ? signColour(value) : layer.colour,
      x: entity.x + away * Math.cos(angle),
      y: entity.y + away * Math.sin(angle),
      radius: size * Math.sqrt(Math.abs(share)),
      opacity: 0.25 + 0.45 * Math.abs(share),
    });
  });
  return discs;
}

export function signColour(value: number): string {
  return value < 0 ? "var(--minus)" : "var(--plus)";
}

function mark(layer: Layer, identity: number, value: number): Mark {
  const key = `${layer.index}:${identity}`;
  return { key, layer: layer.index, identity, value, colour: layer.colour };
}
