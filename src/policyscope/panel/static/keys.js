// The keyboard.

import { byId } from "./dom.js";
import { sortedEpisodes } from "./episodes.js";
import { zoomBy } from "./scene.js";
import { goTo, togglePlay } from "./transport.js";

export function toggleHelp() {
  const help = byId("help");
  if (help.open) help.close();
  else help.showModal();
}

function otherEpisode(data, store, way) {
  const order = sortedEpisodes(data, store.get());
  const index = order[order.indexOf(store.get().index) + way];
  if (index !== undefined) store.set({ index, step: 0 });
}

function actionOf(key, data, store, current) {
  const { step } = store.get();
  const table = {
    ArrowLeft: () => goTo(store, current, step - 1),
    ArrowRight: () => goTo(store, current, step + 1),
    Home: () => goTo(store, current, 0),
    End: () => goTo(store, current, Infinity),
    ArrowUp: () => otherEpisode(data, store, -1),
    ArrowDown: () => otherEpisode(data, store, 1),
    " ": () => togglePlay(store, current),
    "?": toggleHelp,
    "+": () => zoomBy(store, 1),
    "-": () => zoomBy(store, -1),
    0: () => zoomBy(store, 0),
    Escape: () => store.set({ head: null }),
  };
  if (/^[1-9]$/.test(key) && Number(key) <= data.heads) {
    const head = Number(key) - 1;
    return () => store.set({ head: store.get().head === head ? null : head });
  }
  return table[key];
}

export function mountKeys(data, store, current) {
  byId("help-button").addEventListener("click", toggleHelp);
  byId("help-close").addEventListener("click", toggleHelp);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (byId("help").open && event.key !== "?") return;
    const at = event.target;
    if (at.closest("select")) return;
    if (event.key === " " && at.closest("button")) return;
    const action = actionOf(event.key, data, store, current);
    if (!action) return;
    event.preventDefault();
    action();
  });
}
