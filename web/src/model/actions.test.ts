import { expect, it } from "vitest";
import { aboutAction, choosable, colourOf, effectOf, effects, namesOf } from "./actions";

const game = {
  actions: ["LEFT", "IDLE", "RIGHT", "D", "A"],
  called: ["LEFT", "no-op", "RIGHT", "no-op", "no-op"],
  idle: ["IDLE", "D", "A"],
};
const traffic = { actions: ["SLOWER", "IDLE", "FASTER"], called: [], idle: [] };

it("takes actions that do nothing for one", () => {
  expect(game.actions.map((_, i) => effectOf(game, i))).toEqual([0, 1, 2, 1, 1]);
  expect(Array.from(effects(game, Int32Array.of(3, 2, 4)))).toEqual([1, 2, 1]);
  const numbers = Int32Array.of(1, 2);
  expect(effects(traffic, numbers)).toBe(numbers);
});

it("gives them one colour and one name, and offers them once", () => {
  expect(new Set([1, 3, 4].map((i) => colourOf(game, i))).size).toBe(1);
  expect(colourOf(game, 0)).not.toBe(colourOf(game, 1));
  expect(colourOf(traffic, 1)).not.toBe(colourOf(game, 1));
  expect(aboutAction(game, 3)).toBe("no-op (D)");
  expect(aboutAction(game, 0)).toBe("LEFT");
  expect(namesOf(traffic)).toEqual(["SLOWER", "IDLE", "FASTER"]);
  expect(choosable(game)).toEqual([
    { name: "LEFT", action: 0 },
    { name: "no-op", action: 1 },
    { name: "RIGHT", action: 2 },
  ]);
  expect(choosable(traffic).length).toBe(3);
});
