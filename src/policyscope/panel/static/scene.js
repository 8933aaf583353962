// The scene before the step, as vector graphics.

import { drawActor, drawAttention } from "./actors.js";
import { createCamera } from "./camera.js";
import { byId, svg } from "./dom.js";
import { sceneAt } from "./episode.js";
import { drawDestination, drawRoad } from "./road.js";

const ZOOM_STEP = 1.4;
const LARGEST_ZOOM = 5;

export function zoomBy(store, direction) {
  const { zoom } = store.get();
  const next = direction ? zoom * ZOOM_STEP ** direction : 1;
  store.set({ zoom: Math.min(Math.max(next, 1), LARGEST_ZOOM) });
}

export function mountScene(data, store, current) {
  const root = byId("scene");
  if (!data.episodes.some((episode) => episode.entities.some((track) => track.x))) {
    document.body.classList.add("no-scene");
    return () => {};
  }
  const camera = createCamera(data);
  const road = svg("g", {});
  if (data.scene) road.append(drawRoad(data.scene));
  const mark = svg("g", {});
  const lines = svg("g", {});
  const cars = svg("g", {});
  root.append(road, mark, lines, cars);

  const over = (event) => {
    const actor = event.target.closest(".actor");
    store.set({ vehicle: actor ? Number(actor.dataset.identity) : null });
  };
  cars.addEventListener("pointerover", over);
  cars.addEventListener("pointerleave", () => store.set({ vehicle: null }));
  for (const [id, direction] of [["zoom-in", 1], ["zoom-out", -1], ["zoom-reset", 0]]) {
    byId(id).addEventListener("click", () => zoomBy(store, direction));
  }

  return (state, changed) => {
    if (!["episode", "step", "zoom"].some((key) => changed.has(key))) return;
    const actors = sceneAt(current(), state.step).filter((actor) => actor.x !== null);
    const view = camera.view(actors.find((actor) => actor.ego), state.zoom);
    const side = Math.min(root.clientWidth, root.clientHeight) || 500;
    const unit = view.size / side;
    root.setAttribute("viewBox", `${view.x} ${view.y} ${view.size} ${view.size}`);
    const goal = data.scene && drawDestination(data.scene, view);
    mark.replaceChildren(...(goal ? [goal] : []));
    lines.replaceChildren(drawAttention(actors));
    cars.replaceChildren(
      ...actors.sort((a, b) => a.ego - b.ego).map((actor) => drawActor(actor, state.step, unit)),
    );
    const seen = actors.filter((actor) => actor.seen && !actor.ego).length;
    root.setAttribute("aria-label", `Scene before step ${state.step}: ego and ${seen} vehicles`);
  };
}
