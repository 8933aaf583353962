// The legend of heads: hover isolates one, a click keeps it isolated.

import { byId, el } from "./dom.js";
import { headColour } from "./palette.js";

export function mountHeads(data, store) {
  const root = byId("heads");
  if (!data.heads) {
    root.hidden = true;
    return () => {};
  }
  const buttons = Array.from({ length: data.heads }, (_, head) =>
    el("button", {
      type: "button",
      class: "chip",
      "data-head-button": head,
      "aria-pressed": "false",
      title: `show head ${head} alone (key ${head + 1})`,
      onpointerenter: () => store.set({ hoverHead: head }),
      onpointerleave: () => store.set({ hoverHead: null }),
      onclick: () => store.set({ head: store.get().head === head ? null : head, hoverHead: null }),
    }, el("i", { class: "swatch", style: `--colour:${headColour(head)}` }), `head ${head}`));
  root.append(...buttons);
  return (state, changed) => {
    if (!changed.has("head")) return;
    buttons.forEach((button, head) =>
      button.setAttribute("aria-pressed", String(state.head === head)));
  };
}
