import { describe, expect, it, vi } from "vitest";
import type { Client } from "../api/client";
import { Answered } from "./answered.svelte";

const place = (step: number, more = 0) => ({ recording: "rec", episode: 0, step, more });
const api = {} as Client;

function asked(answers: (question: { step: number; more: number }) => Promise<string>) {
  const send = vi.fn((_: Client, question: ReturnType<typeof place>) => answers(question));
  return { send, answered: new Answered(send, 10) };
}
const rest = () => new Promise((resolve) => setTimeout(resolve, 30));

describe("a question about a step", () => {
  it("is asked once the page is at rest, and not again once it is answered", async () => {
    const { send, answered } = asked(async ({ step }) => `of ${step}`);
    answered.ask(api, place(1))();
    answered.ask(api, place(2));
    await rest();
    expect(send).toHaveBeenCalledTimes(1);
    expect([answered.of(place(2)), answered.of(place(1))]).toEqual(["of 2", null]);
    answered.ask(api, place(2));
    await rest();
    expect(send).toHaveBeenCalledTimes(1);
  });

  it("is near to another of its step, and to none of another step", async () => {
    const { answered } = asked(async ({ more }) => `with ${more}`);
    answered.ask(api, place(1, 5));
    await rest();
    expect([answered.near(place(1, 6)), answered.of(place(1, 6))]).toEqual(["with 5", null]);
    expect(answered.near(place(2, 5))).toBeNull();
  });

  it("tells why there is no answer, until another is asked", async () => {
    const { answered } = asked(({ more }) =>
      more ? Promise.reject(new Error("no such saw")) : Promise.resolve("fine"),
    );
    answered.ask(api, place(1, 9));
    await rest();
    expect(answered.failure(place(1, 9))).toBe("no such saw");
    expect(answered.failure(place(1))).toBeNull();
    answered.ask(api, place(1));
    await rest();
    expect([answered.of(place(1)), answered.failure(place(1, 9))]).toEqual(["fine", null]);
  });
});
