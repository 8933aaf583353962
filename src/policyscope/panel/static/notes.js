// What the page says where something was not recorded.

import { byId, el } from "./dom.js";

export function mountNotes(data) {
  const root = byId("notes");
  const note = (...parts) => root.append(el("p", { class: "note", role: "note" }, ...parts));
  const entities = data.episodes.some((episode) => episode.entities.length);
  if (!data.heads && entities) {
    note("No attention in this recording. To see it, record the site as well: ",
      el("code", {}, "policyscope record AGENT --sites '*.pattern'"));
  }
  if (!entities) {
    note("This environment gives no scene: its values, actions and rewards stand alone.");
  }
  const lost = data.episodes.some((episode) =>
    (episode.absent || []).some((weights) => weights.some((weight) => weight > 0.01)));
  if (lost) {
    note("Some attention falls on rows that show no entity; weights of the vehicles then add to less than 1.");
  }
  root.hidden = !root.children.length;
}
