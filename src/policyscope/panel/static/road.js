// The background of the scene: lanes, their edges and the way to the destination.

import { svg } from "./dom.js";

function path(points) {
  return points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("");
}

export function drawRoad(scene) {
  const group = svg("g", { class: "road", "aria-hidden": "true" });
  const goal = scene.destination && scene.destination.node;
  for (const lane of scene.lanes || []) {
    group.append(svg("path", { d: path(lane.points), class: "roadway", "stroke-width": lane.width }));
  }
  for (const lane of scene.lanes || []) {
    if (goal && lane.to === goal) {
      group.append(
        svg("path", { d: path(lane.points), class: "roadway goal", "stroke-width": lane.width * 0.86 }),
      );
    }
  }
  for (const edge of scene.edges || []) {
    if (edge.kind !== "none") {
      group.append(svg("path", { d: path(edge.points), class: `edge ${edge.kind}` }));
    }
  }
  return group;
}

// The destination's mark, kept inside the view along the lane that leads to it.
export function drawDestination(scene, view) {
  const goal = scene.destination;
  if (!goal) return null;
  const lane = (scene.lanes || []).find((candidate) => candidate.to === goal.node);
  const inside = (x, y, room) =>
    x > view.x + room && x < view.x + view.size - room &&
    y > view.y + room && y < view.y + view.size - room;
  let [x, y] = [goal.x, goal.y];
  let [ux, uy] = [0, 0];
  if (lane) {
    const [ax, ay] = lane.points[lane.points.length - 2];
    const length = Math.hypot(goal.x - ax, goal.y - ay);
    [ux, uy] = [(goal.x - ax) / length, (goal.y - ay) / length];
    const room = view.size * 0.045;
    for (let back = 0; back < length && !inside(x, y, room); back += 0.5) {
      [x, y] = [goal.x - ux * back, goal.y - uy * back];
    }
    if (!inside(x, y, 0)) return null;
  }
  const unit = view.size / 130;
  const across = (x - view.x) / view.size;
  const anchor = across < 0.2 ? "start" : across > 0.8 ? "end" : "middle";
  const angle = (Math.atan2(uy, ux) * 180) / Math.PI;
  return svg(
    "g",
    { class: "destination", transform: `translate(${x} ${y}) scale(${unit})` },
    svg("title", {}, document.createTextNode(`destination ${goal.node}`)),
    svg("path", { d: "M-5.4 -1.3L-4 0L-5.4 1.3M-2.7 -1.3L-1.3 0L-2.7 1.3M0 -1.3L1.4 0L0 1.3",
      transform: `rotate(${angle})` }),
    svg("text", { x: 0, y: -4, "text-anchor": anchor }, document.createTextNode("destination")),
  );
}
