// How many episodes there are to look at: an exported page may hold some of them.

import type { RecordingDetail } from "../api/schema";

type Counted = Pick<RecordingDetail, "episodes" | "held">;

export function episodesText({ episodes, held }: Counted): string {
  const word = episodes === 1 ? "episode" : "episodes";
  return held == null ? `${episodes} ${word}` : `${held} of ${episodes} ${word}`;
}
