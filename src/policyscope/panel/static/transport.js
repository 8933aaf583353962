// Slider, buttons and play.

import { byId } from "./dom.js";
import { ending, steps } from "./episode.js";
import { clamp } from "./store.js";

export function goTo(store, current, step) {
  store.set({ step: clamp(step, 0, steps(current()) - 1), playing: false });
}

export function togglePlay(store, current) {
  const { playing, step } = store.get();
  const ended = step >= steps(current()) - 1;
  store.set({ playing: !playing, step: !playing && ended ? 0 : step });
}

export function mountTransport(store, current) {
  const slider = byId("slider");
  const play = byId("play");
  const label = byId("step-label");
  const speed = byId("speed");
  let timer = null;

  const tick = () => {
    const { step } = store.get();
    if (step + 1 < steps(current())) store.set({ step: step + 1 });
    else store.set({ playing: false });
  };
  slider.addEventListener("input", () => goTo(store, current, Number(slider.value)));
  play.addEventListener("click", () => togglePlay(store, current));
  byId("first").addEventListener("click", () => goTo(store, current, 0));
  byId("back").addEventListener("click", () => goTo(store, current, store.get().step - 1));
  byId("forward").addEventListener("click", () => goTo(store, current, store.get().step + 1));
  byId("last").addEventListener("click", () => goTo(store, current, Infinity));
  speed.addEventListener("change", () => store.set({ speed: Number(speed.value) }));

  return (state, changed) => {
    if (changed.has("playing") || changed.has("speed")) {
      clearInterval(timer);
      timer = state.playing ? setInterval(tick, 1000 / state.speed) : null;
      play.setAttribute("aria-label", state.playing ? "pause" : "play");
      play.classList.toggle("playing", state.playing);
    }
    if (!changed.has("episode") && !changed.has("step")) return;
    const last = steps(current()) - 1;
    slider.max = last;
    slider.value = state.step;
    slider.style.setProperty("--done", last ? state.step / last : 0);
    slider.setAttribute("aria-valuetext", `step ${state.step} of ${last}`);
    label.textContent = `episode ${current().episode} \u00b7 step ${state.step} of ${last}`;
    byId("ending").textContent = state.step === last ? `${ending(current()).text} after it` : "";
  };
}
