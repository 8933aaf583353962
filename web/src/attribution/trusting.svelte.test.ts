import { expect, it, vi } from "vitest";
import type { Client } from "../api/client";
import { Trusting } from "./trusting.svelte";

const question = JSON.stringify({ recording: "rec", episode: 0, target: "value" });
const rest = (ms = 40) => new Promise((done) => setTimeout(done, ms));
const asking = (...answers: unknown[]) => {
  const trust = vi.fn(async () => {
    const next = answers.length > 1 ? answers.shift() : answers[0];
    if (next instanceof Error) throw next;
    return next;
  });
  return { api: { trust } as unknown as Client, trust };
};

it("asks on until it is measured, and then no more", async () => {
  const { api, trust } = asking({ measured: false, doing: "a" }, { measured: true, figures: [] });
  const one = new Trusting(1, 1);
  const end = one.ask(api, question);
  await rest();
  expect(trust).toHaveBeenCalledTimes(2);
  expect(one.of(question)?.measured).toBe(true);
  end();
  one.ask(api, question);
  await rest();
  expect(trust).toHaveBeenCalledTimes(2);
});

it("stops asking when nobody looks, and goes on when somebody does", async () => {
  const { api, trust } = asking({ measured: false });
  const one = new Trusting(1, 5);
  one.ask(api, question)();
  await rest();
  expect(trust).not.toHaveBeenCalled();
  const end = one.ask(api, question);
  await rest();
  end();
  const { length } = trust.mock.calls;
  await rest();
  expect(trust.mock.calls.length).toBe(length);
  expect(length).toBeGreaterThan(1);
});

it("tells why it is not measured", async () => {
  const { api, trust } = asking(new Error("torn shard"));
  const one = new Trusting(1, 1);
  one.ask(api, question);
  await rest();
  expect([one.failure(question), one.of(question)]).toEqual(["torn shard", null]);
  expect(trust).toHaveBeenCalledTimes(1);
});
