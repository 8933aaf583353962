// Puts the page together.

import { mountChanges } from "./changes.js";
import { mountCursor } from "./cursor.js";
import { byId } from "./dom.js";
import { steps } from "./episode.js";
import { mountEpisodes } from "./episodes.js";
import { applyFocus } from "./focus.js";
import { readHash, writeHash } from "./hash.js";
import { mountFooter, mountHeader } from "./header.js";
import { mountHeads } from "./heads.js";
import { mountKeys } from "./keys.js";
import { mountNotes } from "./notes.js";
import { mountScene } from "./scene.js";
import { clamp, createStore } from "./store.js";
import { mountTheme } from "./theme.js";
import { mountTimeline } from "./timeline.js";
import { mountTransport } from "./transport.js";
import { mountVehicles } from "./vehicles.js";

function fromHash(data) {
  const { episode, step, head } = readHash();
  const index = Math.max(data.episodes.findIndex((e) => e.episode === episode), 0);
  return {
    index,
    step: clamp(step || 0, 0, steps(data.episodes[index]) - 1),
    head: head !== null && head < data.heads ? head : null,
  };
}

const START = {
  index: 0, step: 0, head: null, hoverHead: null, vehicle: null, playing: false, speed: 2, zoom: 1,
  column: "episode", ascending: true,
};

function run(data) {
  const store = createStore({ ...START, ...fromHash(data) });
  const current = () => data.episodes[store.get().index];
  document.body.style.setProperty("--heads", data.heads);
  mountHeader(data);
  mountFooter(data);
  mountNotes(data);
  mountKeys(data, store, current);
  const views = [
    mountEpisodes(data, store),
    mountHeads(data, store),
    mountScene(data, store, current),
    mountTimeline(data, store, current),
    mountVehicles(data, store, current),
    mountChanges(data, store, current),
    mountCursor(store, current),
    mountTransport(store, current),
  ];
  const show = (state, changed) => {
    if (changed.has("index")) changed.add("episode");
    for (const view of views) view(state, changed);
    applyFocus(state, data.heads);
    writeHash({ episode: current().episode, step: state.step, head: state.head });
  };
  store.subscribe(show);
  show(store.get(), new Set([...Object.keys(START)]));
  window.addEventListener("hashchange", () => store.set(fromHash(data)));
  new ResizeObserver(() => show(store.get(), new Set(["zoom"]))).observe(byId("scene"));
  document.body.classList.add("ready");
}

mountTheme();
const data = JSON.parse(byId("data").textContent);
if (data.episodes.length) run(data);
else byId("empty").hidden = false;
