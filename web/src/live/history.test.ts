import { expect, it } from "vitest";
import { NONE, type Changes } from "./changes";
import { History, Shelf } from "./history";

const change = (value: number): Changes => ({ ...NONE, observation: [{ index: [0], value }] });

it("takes a drag back as one", () => {
  const history = new History();
  history.note("a", NONE, "move 2", 0);
  history.note("a", change(1), "move 2", 100);
  history.note("a", change(2), "move 2", 600);
  history.note("a", change(3), "move 2", 2000);
  expect(history.back("a")).toEqual(change(3));
  expect(history.back("a")).toEqual(NONE);
  expect(history.back("a")).toBeNull();
});

it("keeps changes of two kinds, and those that have none, apart", () => {
  const history = new History();
  history.note("a", NONE, "move 2", 0);
  history.note("a", change(1), "move 3", 10);
  history.note("a", change(2), "", 20);
  history.note("a", change(3), "", 30);
  expect([1, 2, 3, 4].map(() => history.back("a"))).toEqual([
    change(3),
    change(2),
    change(1),
    NONE,
  ]);
});

it("undoes only what was done at the place", () => {
  const history = new History();
  history.note("a", change(1), "x", 0);
  history.note("b", change(2), "x", 1);
  expect(history.has("c")).toBe(false);
  expect(history.back("a")).toEqual(change(1));
  history.carry("b", "c");
  expect([history.has("b"), history.back("c")]).toEqual([false, change(2)]);
});

it("keeps the changes of a step until they are taken", () => {
  const shelf = new Shelf();
  shelf.put("a", change(1));
  shelf.put("b", NONE);
  expect(shelf.take("a")).toEqual(change(1));
  expect(shelf.take("a")).toEqual(NONE);
  shelf.put("a", change(1));
  shelf.put("a", NONE); // left again without changes
  expect(shelf.take("a")).toEqual(NONE);
});
