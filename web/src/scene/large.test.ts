import { expect, it } from "vitest";
import { LargePictures } from "./large";

/** A server that answers when it is let; pictures are named by their step. */
function slow(steps = 100) {
  const asked: number[] = [];
  const waiting: (() => void)[] = [];
  const pictures = new LargePictures(
    (step) => {
      asked.push(step);
      return new Promise((resolve) =>
        waiting.push(() => resolve({ side: 512, image: String(step) })),
      );
    },
    steps,
    async (address) => ({ src: address }) as HTMLImageElement,
  );
  const answer = async () => {
    waiting.shift()?.();
    for (let i = 0; i < 9; i += 1) await Promise.resolve();
  };
  return { asked, pictures, answer };
}

it("asks for one at a time, and of those that came meanwhile for the last", async () => {
  const { asked, pictures, answer } = slow();
  const told: string[] = [];
  for (let step = 0; step < 30; step += 1) {
    pictures.want(step, (picture) => told.push(picture!.src));
  }
  expect(asked).toEqual([0]);
  await answer();
  expect(asked).toEqual([0, 29]);
  await answer();
  expect(told).toEqual(["0", "29"]);
});

it("asks for the next step ahead, and not again for what it has", async () => {
  const { asked, pictures, answer } = slow(3);
  const told: string[] = [];
  const want = (step: number) => pictures.want(step, (picture) => told.push(picture!.src));
  want(1);
  await answer();
  expect(asked).toEqual([1, 2]);
  await answer();
  want(2);
  for (let i = 0; i < 9; i += 1) await Promise.resolve();
  expect([asked, told]).toEqual([
    [1, 2],
    ["1", "2"],
  ]);
});

it("leaves out what was given up", async () => {
  const { asked, pictures, answer } = slow();
  pictures.want(5, () => undefined);
  pictures.want(6, () => undefined)();
  await answer();
  expect(asked).toEqual([5, 6]); // ahead, not wanted
});

it("tells what went wrong and goes on", async () => {
  const told: unknown[] = [];
  const pictures = new LargePictures(
    (step) => (step ? Promise.resolve({ side: 1, image: "x" }) : Promise.reject(new Error("no"))),
    1,
    async (address) => ({ src: address }) as HTMLImageElement,
  );
  pictures.want(0, (picture, error) => told.push(picture, (error as Error).message));
  for (let i = 0; i < 9; i += 1) await Promise.resolve();
  expect(told).toEqual([null, "no"]);
});
