// The cursor over all lanes, and going to a step by pressing or dragging on them.

import { byId } from "./dom.js";
import { steps } from "./episode.js";
import { clamp } from "./store.js";

export function mountCursor(store, current) {
  const root = byId("time");
  const stepAt = (plot, x) => {
    const box = plot.getBoundingClientRect();
    const count = steps(current());
    return clamp(Math.floor(((x - box.left) / box.width) * count), 0, count - 1);
  };
  let plot = null;
  root.addEventListener("pointerdown", (event) => {
    plot = event.target.closest(".plot");
    if (plot) store.set({ step: stepAt(plot, event.clientX), playing: false });
  });
  root.addEventListener("pointermove", (event) => {
    if (plot && event.buttons) store.set({ step: stepAt(plot, event.clientX), playing: false });
  });
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) {
    root.addEventListener(name, () => { plot = null; });
  }
  return (state, changed) => {
    if (!changed.has("episode") && !changed.has("step")) return;
    root.style.setProperty("--count", steps(current()));
    root.style.setProperty("--step", state.step);
  };
}
