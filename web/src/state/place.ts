// What stays and what goes when the view goes from one place to another.

import { DEFAULT, type Page, type View } from "./address";

const TABLE: (keyof View)[] = ["recording", "sort", "filter", "find"];
const EPISODE: (keyof View)[] = [
  ...TABLE,
  "episode",
  "step",
  "beside",
  "fork",
  "tracks",
  "overlays",
  "layer",
  "identity",
  "site",
  "byrow",
  "zoom",
  "large",
  "kinds",
  "part",
  "tab",
  "explain",
  "why",
  "field",
  "live",
  "pinned",
  "scene",
  "observation",
  "actions",
  "targets",
];
const BELONGS: Record<Page, (keyof View)[]> = {
  library: [],
  recording: TABLE,
  episode: EPISODE,
  steps: [...TABLE, "x", "y", "look"],
  result: ["result"],
};
const PLACE: (keyof View)[] = ["page", "recording", "episode", "result"];
/** What another episode does not share with the last one. */
const OF_EPISODE: (keyof View)[] = [
  "step",
  "fork",
  "identity",
  "part",
  "scene",
  "observation",
  "actions",
];

/** Where a view is: changing it makes an entry in the browser's history. */
export function placeOf(view: View): string {
  return JSON.stringify(PLACE.map((name) => view[name]));
}

/**
 * The view after a change. Another recording or result starts afresh; another episode keeps how it is
 * looked at but begins at its first step; a field that the page does not have is as by default.
 */
export function changed(view: View, change: Partial<View>): View {
  const wanted = { ...view, ...change };
  if (placeOf(wanted) === placeOf(view)) return wanted;
  const afresh = wanted.recording !== view.recording || wanted.result !== view.result;
  const other = wanted.episode !== view.episode;
  const next = { ...DEFAULT, page: wanted.page };
  for (const name of BELONGS[wanted.page]) {
    const lost = afresh || (other && OF_EPISODE.includes(name));
    if (!lost || name in change || PLACE.includes(name)) {
      Object.assign(next, { [name]: wanted[name] });
    }
  }
  return next;
}
