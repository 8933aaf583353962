import { expect, test } from "vitest";
import { episodesText } from "./counted";

test("a page that holds some of the episodes says how many", () => {
  expect(episodesText({ episodes: 6, held: 1 })).toBe("1 of 6 episodes");
  expect(episodesText({ episodes: 6, held: null })).toBe("6 episodes");
  expect(episodesText({ episodes: 1 })).toBe("1 episode");
});
