import type { Episode } from "../model/episode";

export type Picture = "scene" | "frame" | "features";

/** What there is to see of an episode: pixels, else entities, else the numbers observed. */
export function pictureOf(episode: Episode): Picture {
  if (episode.recording.frames) return "frame";
  const placed = episode.entities.some((entities) => entities.length > 0);
  return placed || episode.recording.scene?.["lanes"] ? "scene" : "features";
}
