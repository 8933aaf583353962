import { expect, it } from "vitest";
import { aboutAction, colourOf, effectOf, effects } from "./actions";

const game = { actions: ["LEFT", "IDLE", "RIGHT", "D", "A"], idle: ["IDLE", "D", "A"] };
const traffic = { actions: ["SLOWER", "IDLE", "FASTER"], idle: [] };

it("takes actions that do nothing for one", () => {
  expect(game.actions.map((_, i) => effectOf(game, i))).toEqual([0, 1, 2, 1, 1]);
  expect(Array.from(effects(game, Int32Array.of(3, 2, 4)))).toEqual([1, 2, 1]);
  const numbers = Int32Array.of(1, 2);
  expect(effects(traffic, numbers)).toBe(numbers);
});

it("gives them one colour, and says so where their name does not", () => {
  expect(new Set([1, 3, 4].map((i) => colourOf(game, i))).size).toBe(1);
  expect(colourOf(game, 0)).not.toBe(colourOf(game, 1));
  expect(colourOf(traffic, 1)).not.toBe(colourOf(game, 1));
  expect(aboutAction(game, 3)).toBe("D (does nothing here)");
  expect(aboutAction(game, 1)).toBe("IDLE");
});
