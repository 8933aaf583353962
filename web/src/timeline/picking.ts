// Tracks to choose from.

import type { TrackInfo } from "../api/schema";

export interface Group {
  name: string;
  tracks: Pick<TrackInfo, "name" | "unit" | "source">[];
}

/** Tracks with `text` in their name, group or source, by group; targets shown come first. */
export function groupsOf(tracks: TrackInfo[], shown: string[], text: string): Group[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const known = new Set(tracks.map((track) => track.name));
  const typed = shown
    .filter((name) => !known.has(name))
    .map((name) => ({ name, unit: "", group: "targets", source: "" }));
  const groups = new Map<string, Group>();
  for (const { name, unit = "", group, source = "" } of [...typed, ...tracks]) {
    const held = `${name} ${group} ${source}`.toLowerCase();
    if (!words.every((word) => held.includes(word)) || name === "reward") continue;
    const title = group || name;
    if (!groups.has(title)) groups.set(title, { name: title, tracks: [] });
    groups.get(title)!.tracks.push({ name, unit, source });
  }
  return [...groups.values()];
}
