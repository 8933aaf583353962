// What the pointer and the keys do on an entity: light it, pin it, move it.

import type { Attachment } from "svelte/attachments";
import type { Entity } from "../model/episode";
import { focus } from "../state/focus.svelte";

export interface Place {
  x: number;
  y: number;
  heading: number;
}

interface Held {
  entity: Entity;
  onmove?: (place: Place) => void;
  onpin: () => void;
}

const METRES = 0.5;
const TURN = (5 * Math.PI) / 180;
/** Pixels that tell a drag from a click. */
const SLACK = 3;

/** Where a key moves an entity to; null where it moves nothing. */
export function movedByKey(place: Place, key: string, shift: boolean): Place | null {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  if (!way) return null;
  const [dx, dy] = way as [number, number];
  if (!shift) return { ...place, x: place.x + dx * METRES, y: place.y + dy * METRES };
  return dx ? { ...place, heading: place.heading + dx * TURN } : null;
}

/** Where in the world a point of the screen lies. */
export function worldPoint(svg: SVGSVGElement, clientX: number, clientY: number): DOMPoint {
  const matrix = svg.getScreenCTM();
  const point = new DOMPoint(clientX, clientY);
  return matrix ? point.matrixTransform(matrix.inverse()) : point;
}

/** Listens on the node of an entity; `held` is asked anew at each event. */
export function movable(held: () => Held): Attachment<SVGGElement> {
  return (node) => {
    let drag: { x: number; y: number; place: Place; begun: boolean; id: number } | null = null;
    const place = ({ x, y, heading }: Entity): Place => ({ x, y, heading });

    const on: { [K in keyof SVGElementEventMap]?: (event: SVGElementEventMap[K]) => void } = {
      pointerenter: () => (focus.identity = held().entity.identity),
      pointerleave: () => !drag && (focus.identity = null),
      focus: () => (focus.identity = held().entity.identity),
      blur: () => (focus.identity = null),
      pointerdown: (event) => {
        if (event.button) return;
        // From the press on, for a quick first move may already end outside the entity.
        if (held().onmove) node.setPointerCapture(event.pointerId);
        const from = { x: event.clientX, y: event.clientY };
        drag = { ...from, place: place(held().entity), begun: false, id: event.pointerId };
      },
      pointermove: (event) => {
        const { onmove } = held();
        if (!drag || !onmove || event.pointerId !== drag.id) return;
        const far = Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > SLACK;
        if (!drag.begun && !far) return;
        drag.begun = true;
        const svg = node.ownerSVGElement!;
        const [from, to] = [
          worldPoint(svg, drag.x, drag.y),
          worldPoint(svg, event.clientX, event.clientY),
        ];
        const { x, y, heading } = drag.place;
        onmove({ x: x + to.x - from.x, y: y + to.y - from.y, heading });
      },
      pointerup: () => {
        if (drag && !drag.begun) held().onpin();
        drag = null;
      },
      pointercancel: () => (drag = null),
      keydown: (event) => {
        const { entity, onmove, onpin } = held();
        if (event.key === "Enter") return onpin();
        const next = onmove && movedByKey(place(entity), event.key, event.shiftKey);
        if (!next) return;
        event.preventDefault();
        event.stopPropagation(); // the arrows step elsewhere
        onmove(next);
      },
    };
    const listeners = Object.entries(on) as [string, EventListener][];
    for (const [name, listener] of listeners) node.addEventListener(name, listener);
    return () => {
      for (const [name, listener] of listeners) node.removeEventListener(name, listener);
    };
  };
}
