// Steps at which the action changes, with the values that decided; a click goes there.

import { byId, el, fixed } from "./dom.js";
import { actionChanges } from "./episode.js";
import { actionColour } from "./palette.js";

function action(name, index) {
  return el("span", { class: "action" },
    el("i", { class: "swatch", style: `--colour:${actionColour(index)}` }), name);
}

function changeRow(data, episode, t, store) {
  const [from, to] = [episode.action[t - 1], episode.action[t]];
  const values = (episode.outputs[data.outputs[0]] || [])[t];
  const numbers = Array.isArray(values)
    ? values.map((value, i) => el("td", { class: `number${i === to ? " chosen" : ""}` }, fixed(value)))
    : [];
  const jump = () => store.set({ step: t, playing: false });
  return el("tr", {
    tabindex: 0, "data-step": t, onclick: jump,
    onkeydown: (event) => { if (event.key === "Enter") jump(); },
  }, el("td", { class: "number" }, String(t)), el("td", {}, action(data.actions[from], from)),
  el("td", {}, action(data.actions[to], to)), ...numbers);
}

export function mountChanges(data, store, current) {
  const root = byId("changes");
  if (!data.actions.length) {
    root.hidden = true;
    return () => {};
  }
  const [output] = data.outputs;
  const titles = output && Array.isArray(data.episodes[0].outputs[output][0])
    ? data.actions.map((name) => `${output === "q" ? "Q" : output} ${name}`)
    : [];
  const body = el("tbody", {});
  const table = el("table", {},
    el("thead", {}, el("tr", {}, ...["step", "from", "to", ...titles].map((title, i) =>
      el("th", { scope: "col", class: i === 0 || i > 2 ? "number" : null }, title)))), body);
  const empty = el("p", { class: "quiet" }, "The action stays the same throughout this episode.");
  root.append(el("h2", {}, "Steps where the action changes"), table, empty);
  return (state, changed) => {
    if (changed.has("episode")) {
      const found = actionChanges(current());
      body.replaceChildren(...found.map((t) => changeRow(data, current(), t, store)));
      table.hidden = !found.length;
      empty.hidden = Boolean(found.length);
    }
    if (!changed.has("episode") && !changed.has("step")) return;
    for (const row of body.children) {
      const selected = Number(row.dataset.step) === state.step;
      row.setAttribute("aria-selected", String(selected));
      if (selected) row.scrollIntoView({ block: "nearest" });
    }
  };
}
