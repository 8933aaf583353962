// Which head and which vehicle stand out: classes only, so that nothing is drawn anew under the
// pointer.

import { byId } from "./dom.js";

export function focusedHead(state) {
  return state.hoverHead === null ? state.head : state.hoverHead;
}

function mark(selector, name, test) {
  for (const node of document.querySelectorAll(selector)) node.classList.toggle(name, test(node));
}

export function applyFocus(state, heads) {
  const head = focusedHead(state);
  const { vehicle } = state;
  mark("[data-head]", "off", (node) => head !== null && Number(node.dataset.head) !== head);
  mark("[data-identity]", "lit", (node) => Number(node.dataset.identity) === vehicle);
  byId("scene").classList.toggle("one-vehicle", vehicle !== null);
  for (const strip of document.querySelectorAll("svg.heat")) {
    strip.setAttribute(
      "viewBox",
      head === null
        ? `0 0 ${strip.dataset.steps} ${heads}`
        : `0 ${head} ${strip.dataset.steps} 1`,
    );
  }
}
