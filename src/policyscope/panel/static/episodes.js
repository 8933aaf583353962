// The table of episodes: sortable, a click opens one.

import { byId, el, fixed } from "./dom.js";
import { ending, steps } from "./episode.js";
import { outcomeClass } from "./palette.js";

const COLUMNS = [
  { key: "episode", title: "#", value: (e) => e.episode },
  { key: "outcome", title: "outcome", value: (e) => e.outcome },
  { key: "total", title: "return", value: (e) => e.total },
  { key: "steps", title: "steps", value: (e) => steps(e) },
];

export function sortedEpisodes(data, { column, ascending }) {
  const { value } = COLUMNS.find((c) => c.key === column);
  const order = data.episodes.map((episode, index) => ({ episode, index }));
  order.sort((a, b) => {
    const [x, y] = [value(a.episode), value(b.episode)];
    const difference = x < y ? -1 : x > y ? 1 : 0;
    return (ascending ? difference : -difference) || a.index - b.index;
  });
  return order.map(({ index }) => index);
}

function cells(episode) {
  const end = ending(episode);
  return [
    el("td", { class: "number" }, String(episode.episode)),
    el("td", { title: end.text }, el("span", { class: `outcome ${outcomeClass(episode.outcome)}` }, end.text)),
    el("td", { class: "number" }, fixed(episode.total)),
    el("td", { class: "number" }, String(steps(episode))),
  ];
}

export function mountEpisodes(data, store) {
  const body = el("tbody", {});
  const heads = COLUMNS.map(({ key, title }) =>
    el("th", { scope: "col", "aria-sort": "none" },
      el("button", {
        type: "button",
        onclick: () => {
          const { column, ascending } = store.get();
          store.set({ column: key, ascending: column === key ? !ascending : true });
        },
      }, title)));
  byId("episodes").append(
    el("table", { "aria-label": "episodes" }, el("thead", {}, el("tr", {}, ...heads)), body));
  const rows = data.episodes.map((episode, index) =>
    el("tr", {
      tabindex: -1, "data-episode": episode.episode,
      onclick: () => store.set({ index, step: 0 }),
      onkeydown: (event) => { if (event.key === "Enter") store.set({ index, step: 0 }); },
    }, ...cells(episode)));

  return (state, changed) => {
    if (changed.has("column") || changed.has("ascending") || !body.children.length) {
      body.replaceChildren(...sortedEpisodes(data, state).map((i) => rows[i]));
      heads.forEach((head, i) => {
        const sorted = COLUMNS[i].key === state.column;
        head.setAttribute("aria-sort",
          sorted ? (state.ascending ? "ascending" : "descending") : "none");
      });
    }
    if (!changed.has("episode")) return;
    rows.forEach((row, i) => {
      row.setAttribute("aria-selected", String(i === state.index));
      row.tabIndex = i === state.index ? 0 : -1;
    });
    rows[state.index].scrollIntoView({ block: "nearest" });
  };
}
