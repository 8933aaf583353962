// The vehicles by identity: where each is now, how each head weighs it, and its weights over time.

import { LEAST_WEIGHT } from "./actors.js";
import { byId, el, fixed, svg } from "./dom.js";
import { distance, entityName, sceneAt, steps } from "./episode.js";
import { lane, stretched } from "./lanes.js";
import { headColour } from "./palette.js";

function heat(track, count, heads) {
  const cells = [];
  track.steps.forEach((t, i) => {
    if (track.row[i] >= 0) {
      cells.push(svg("rect", { x: t, y: 0, width: 1, height: heads || 1, class: "present" }));
    }
    (track.attention ? track.attention[i] : []).forEach((weight, head) => {
      if (weight < LEAST_WEIGHT) return;
      cells.push(svg("rect", {
        x: t + 0.03, y: head + 0.06, width: 0.94, height: 0.88, fill: headColour(head),
        "fill-opacity": Math.min(1, weight ** 0.7).toFixed(3), "data-weight": weight, "data-head": head,
        "data-step": t,
      }));
    });
  });
  const strip = stretched(count, heads || 1, ...cells);
  strip.classList.add("heat");
  strip.dataset.steps = count;
  return el("div", {}, strip);
}

// Tracks that some observation shows, and those that none does.
function observed(episode) {
  const isSeen = (track) => track.identity === 0 || track.row.some((row) => row >= 0);
  return [episode.entities.filter(isSeen), episode.entities.filter((track) => !isSeen(track))];
}

function weights(heads) {
  return Array.from({ length: heads }, (_, head) =>
    el("span", { class: "weight", "data-head": head, style: `--colour:${headColour(head)}` }));
}

function vehicleRow(track, count, heads, store) {
  const name = entityName(track.identity);
  const cells = weights(heads);
  const far = el("span", { class: "number" });
  const speed = el("span", { class: "number" });
  const gutter = [el("span", { class: "identity" }, name), far, speed, ...cells];
  const node = lane(gutter, heat(track, count, heads), "vehicle", `vehicle ${name}`);
  node.dataset.identity = track.identity;
  node.tabIndex = -1;
  node.addEventListener("pointerenter", () => store.set({ vehicle: track.identity }));
  node.addEventListener("pointerleave", () => store.set({ vehicle: null }));
  node.addEventListener("focus", () => store.set({ vehicle: track.identity }));
  node.addEventListener("blur", () => store.set({ vehicle: null }));
  return { node, far, speed, cells, identity: track.identity };
}

function fillRow(row, actor, ego) {
  row.node.classList.toggle("gone", !actor);
  row.node.classList.toggle("unseen", Boolean(actor) && !actor.seen);
  const space = actor && ego && !actor.ego ? distance(actor, ego) : null;
  row.far.textContent = fixed(space, 0);
  row.speed.textContent = actor ? fixed(actor.speed, 1) : "";
  row.cells.forEach((cell, head) => {
    const weight = actor && actor.seen && actor.attention ? actor.attention[head] : 0;
    cell.style.setProperty("--weight", weight);
    cell.textContent = weight >= LEAST_WEIGHT ? weight.toFixed(2).replace(/^0/, "") : "";
  });
}

function header(heads) {
  const names = Array.from({ length: heads }, (_, head) =>
    el("span", { class: "weight title", "data-head": head, style: `--colour:${headColour(head)}` },
      heads <= 4 ? `head ${head}` : String(head)));
  const gutter = [el("span", { class: "identity title" }, "id"),
    el("span", { class: "number title" }, "m"), el("span", { class: "number title" }, "m/s"), ...names];
  const text = heads
    ? "attention over time, one stripe a head"
    : "steps at which the observation shows it";
  return lane(gutter, el("div", {}, el("small", {}, text)), "vehicle-head", "columns");
}

// One tab stop; the arrow keys go from row to row.
function roving(root) {
  root.addEventListener("keydown", (event) => {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const rows = [...root.querySelectorAll(".vehicle")];
    const next = rows[rows.indexOf(document.activeElement) + way];
    if (!way || !rows.includes(document.activeElement)) return;
    event.preventDefault();
    event.stopPropagation();
    if (next) next.focus();
  });
}

export function mountVehicles(data, store, current) {
  const root = byId("vehicles");
  let rows = [];
  roving(root);
  return (state, changed) => {
    if (changed.has("episode")) {
      const episode = current();
      const count = steps(episode);
      const [seen, never] = observed(episode);
      rows = seen.map((track) => vehicleRow(track, count, data.heads, store));
      if (rows.length) rows[0].node.tabIndex = 0;
      root.hidden = !rows.length;
      byId("time").style.setProperty("--rows", rows.length);
      root.replaceChildren(header(data.heads), ...rows.map((row) => row.node));
      if (never.length) {
        const names = never.map((track) => entityName(track.identity)).join(", ");
        root.append(el("p", { class: "quiet never" }, `in the scene, never in the observation: ${names}`));
      }
    }
    if (!changed.has("episode") && !changed.has("step")) return;
    const actors = new Map(sceneAt(current(), state.step).map((actor) => [actor.identity, actor]));
    for (const row of rows) fillRow(row, actors.get(row.identity), actors.get(0));
  };
}
