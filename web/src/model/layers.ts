// The layers of all shown overlays, numbered through: their names, colours and kinds of marks.

import { row } from "../api/arrays";
import type { Overlay } from "./episode";
import { layerColour } from "./palette";

export interface Layer {
  /** Number over all shown overlays: what is pinned and what a digit key means. */
  index: number;
  overlay: Overlay;
  /** Number within its overlay. */
  layer: number;
  name: string;
  colour: string;
  signed: boolean;
}

/** Weights over entities at one step, as the live view gives them. */
export interface Weights {
  /** (L, E) */
  values: number[][];
  identity: number[];
}

export type LiveWeights = Record<string, Weights>;

/** The overlays of a live answer by name. */
export function byName(overlays: ({ name: string } & Weights)[]): LiveWeights {
  return Object.fromEntries(overlays.map((overlay) => [overlay.name, overlay]));
}

export function layersOf(overlays: Overlay[]): Layer[] {
  const layers: Layer[] = [];
  for (const overlay of overlays) {
    overlay.info.layers.forEach((name, layer) => {
      const index = layers.length;
      layers.push({
        index,
        overlay,
        layer,
        name: layerName(name, overlay, overlays),
        colour: layerColour(index),
        signed: overlay.info.signed,
      });
    });
  }
  return layers;
}

// With its overlay's name where another overlay has a layer of that name too.
function layerName(name: string, overlay: Overlay, overlays: Overlay[]): string {
  if (!name) return overlay.info.name;
  const others = overlays.filter((other) => other !== overlay);
  const taken = others.some((other) => other.info.layers.includes(name));
  return taken ? `${overlay.info.name} ${name}` : name;
}

/** Whether the numbers are shares of the ego's weight, drawn as ribbons; else they are discs. */
export function areWeights({ info, low, high }: Overlay): boolean {
  return info.over === "entities" && !info.signed && low >= 0 && high <= 1 + 1e-6;
}

/** Number of a layer on each entity at a step; live ones stand in for the recorded. */
export function numbersAt(layer: Layer, step: number, live?: LiveWeights): Map<number, number> {
  const found = new Map<number, number>();
  const given = live?.[layer.overlay.info.name];
  if (given) {
    const values = given.values[layer.layer] ?? [];
    given.identity.forEach((identity, i) => identity >= 0 && found.set(identity, values[i] ?? 0));
    return found;
  }
  const { overlay } = layer;
  if (!overlay.identity || step >= (overlay.values.shape[0] ?? 0)) return found;
  const who = row(overlay.identity, step);
  const values = row(overlay.values, step);
  who.forEach((identity, i) => {
    const value = values[layer.layer * who.length + i] ?? NaN;
    if (identity >= 0 && Number.isFinite(value)) found.set(identity, value);
  });
  return found;
}

/** Between -1 and 1: how far a number lies from nothing towards the ends of its scale. */
export function strength(value: number, { info, low, high }: Overlay): number {
  if (info.signed) return value / (Math.max(Math.abs(low), Math.abs(high)) || 1);
  return (value - Math.min(low, 0)) / (high - Math.min(low, 0) || 1);
}
