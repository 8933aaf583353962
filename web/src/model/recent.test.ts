import { describe, expect, it } from "vitest";
import { Recent } from "./recent";

function counting(limit: number) {
  const asked: string[] = [];
  const recent = new Recent<number>(limit, (size) => size);
  const get = (key: string, size = 1) =>
    recent.get(key, () => {
      asked.push(key);
      return Promise.resolve(size);
    });
  return { asked, recent, get };
}

describe("Recent", () => {
  it("fetches once what is asked for twice at once", async () => {
    const { asked, get } = counting(10);
    await Promise.all([get("a"), get("a")]);
    await get("a");
    expect(asked).toEqual(["a"]);
  });

  it("forgets what was not used for longest once it holds too much", async () => {
    const { asked, recent, get } = counting(3);
    for (const key of ["a", "b", "c"]) await get(key);
    await get("a");
    await get("d");
    expect(recent.count).toBe(3);
    await get("a");
    expect(asked).toEqual(["a", "b", "c", "d"]);
    await get("b");
    expect(asked.at(-1)).toBe("b");
  });

  it("keeps the last one even if it is too large alone", async () => {
    const { recent, get } = counting(3);
    await get("a");
    await get("big", 9);
    expect(recent.count).toBe(1);
  });

  it("asks again after a failure", async () => {
    const recent = new Recent<number>(3, () => 1);
    await expect(recent.get("a", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await recent.get("a", () => Promise.resolve(5))).toBe(5);
  });

  it("counts nothing for what was dropped while on its way", async () => {
    const recent = new Recent<number>(1, () => 1);
    let answer = (_: number): void => undefined;
    const first = recent.get("a", () => new Promise<number>((resolve) => (answer = resolve)));
    recent.drop("a");
    answer(1);
    await first;
    await recent.get("b", () => Promise.resolve(1));
    expect(recent.count).toBe(1);
  });
});
