// Entities of the scene and the attention between them.

import { svg } from "./dom.js";
import { entityName } from "./episode.js";
import { headColour } from "./palette.js";

export const LEAST_WEIGHT = 0.01;
const LINE_METRES = 3;
const RING_METRES = LINE_METRES / 2;
const MARK = 2.2;
const RING_RADIUS = 3.6;
const RING_GAP = 0.25;

function label(text) {
  return document.createTextNode(text);
}

function body(actor) {
  const { length, width } = actor.track;
  const [l, w] = [length || MARK, width || MARK];
  const front = l / 2;
  return [
    svg("rect", { x: -front, y: -w / 2, width: l, height: w, rx: 0.45, class: "body" }),
    svg("path", {
      d: `M${front * 0.3} ${-w * 0.36}L${front * 0.62} ${-w * 0.3}V${w * 0.3}L${front * 0.3} ${w * 0.36}Z`,
      class: "windscreen",
    }),
  ];
}

// Metres from the ego's centre to the outside of its rings.
function ringsReach(ego) {
  const shown = (ego.attention || []).filter((weight) => weight >= LEAST_WEIGHT);
  const rings = shown.reduce((sum, w) => sum + w * RING_METRES + RING_GAP, 0);
  return rings ? RING_RADIUS + rings : MARK;
}

// One group per entity: trail, body, number.
function labelPlace(actor, unit) {
  if (actor.ego) return { x: ringsReach(actor) / unit + 4, y: 4, "text-anchor": "start" };
  const upright = Math.abs(Math.sin(actor.heading)) > 0.7;
  return upright ? { x: 9, y: 3.5, "text-anchor": "start" } : { x: 0, y: -8, "text-anchor": "middle" };
}

export function drawActor(actor, step, unit) {
  const { track } = actor;
  const turn = (actor.heading * 180) / Math.PI;
  const name = entityName(actor.identity);
  const past = track.steps
    .map((t, i) => (t <= step && t > step - 4 ? `${track.x[i]},${track.y[i]}` : null))
    .filter(Boolean);
  const kind = actor.ego ? "ego" : actor.seen ? "seen" : "unseen";
  const about = actor.ego ? "ego" : `vehicle ${name}${actor.seen ? "" : ", not in the observation"}`;
  return svg(
    "g",
    { class: `actor ${kind}`, "data-identity": actor.identity, role: "img", "aria-label": about },
    svg("title", {}, label(`${about}, ${actor.speed.toFixed(1)} m/s`)),
    svg("polyline", { points: past.join(" "), class: "trail" }),
    svg("g", { transform: `translate(${actor.x} ${actor.y}) rotate(${turn})` },
      svg("rect", { x: -4.5, y: -3.5, width: 9, height: 7, class: "reach" }), ...body(actor)),
    svg("text", {
      transform: `translate(${actor.x} ${actor.y}) scale(${unit})`,
      class: "number", ...labelPlace(actor, unit),
    }, label(name)),
  );
}

// Ribbons from the ego to an entity, one a head, side by side, as wide as their weights.
function ribbons(ego, actor) {
  const [dx, dy] = [actor.x - ego.x, actor.y - ego.y];
  const length = Math.hypot(dx, dy) || 1;
  const [nx, ny] = [-dy / length, dx / length];
  const shown = actor.attention.map((w) => (w >= LEAST_WEIGHT ? w * LINE_METRES : 0));
  let offset = -shown.reduce((sum, w) => sum + w, 0) / 2;
  const lines = [];
  shown.forEach((width, head) => {
    if (!width) return;
    const shift = offset + width / 2;
    offset += width;
    lines.push(svg("line", {
      x1: ego.x + nx * shift, y1: ego.y + ny * shift,
      x2: actor.x + nx * shift, y2: actor.y + ny * shift,
      "stroke-width": width, stroke: headColour(head), class: "attention",
      "data-head": head, "data-identity": actor.identity, "data-weight": actor.attention[head],
    }));
  });
  return lines;
}

// Rings around the ego, one a head, as wide as the attention on itself.
function rings(ego) {
  let radius = RING_RADIUS;
  const circles = [];
  ego.attention.forEach((weight, head) => {
    if (weight < LEAST_WEIGHT) return;
    const width = weight * RING_METRES;
    circles.push(svg("circle", {
      cx: ego.x, cy: ego.y, r: radius + width / 2, "stroke-width": width,
      stroke: headColour(head), class: "attention", "data-head": head, "data-identity": 0,
      "data-weight": weight,
    }));
    radius += width + RING_GAP;
  });
  return circles;
}

export function drawAttention(actors) {
  const group = svg("g", { class: "attention-lines", "aria-hidden": "true" });
  const ego = actors.find((actor) => actor.ego);
  if (!ego || !ego.attention) return group;
  for (const actor of actors) {
    if (!actor.attention) continue;
    group.append(...(actor.ego ? rings(actor) : ribbons(ego, actor)));
  }
  return group;
}
