import { expect, it } from "vitest";
import { Asking } from "./asking";

function server() {
  const sent: {
    question: number;
    answer: (a: string) => void;
    fail: (e: unknown) => void;
    signal: AbortSignal;
  }[] = [];
  const told: string[] = [];
  const asking = new Asking<number, string>(
    (question, signal) =>
      new Promise((answer, fail) => sent.push({ question, answer, fail, signal })),
    {
      answered: (question, answer) => told.push(`${question} ${answer}`),
      failed: (question, error) => told.push(`${question} failed: ${String(error)}`),
      busy: (now) => told.push(now ? "busy" : "rest"),
    },
  );
  return { sent, told, asking };
}
const settle = () => new Promise((resolve) => setTimeout(resolve));

it("has one question on its way and sends the last of those that waited", async () => {
  const { sent, told, asking } = server();
  for (const question of [1, 2, 3, 4]) asking.ask(question);
  expect(sent.map(({ question }) => question)).toEqual([1]);
  sent[0]!.answer("a");
  await settle();
  expect(sent.map(({ question }) => question)).toEqual([1, 4]);
  sent[1]!.answer("b");
  await settle();
  expect(told).toEqual(["busy", "1 a", "busy", "4 b", "rest"]);
});

it("does not send what is on its way once more", async () => {
  const { sent, told, asking } = server();
  for (const question of [1, 2, 1]) asking.ask(question);
  sent[0]!.answer("a");
  await settle();
  expect(told).toEqual(["busy", "1 a", "rest"]);
  asking.ask(1);
  expect(sent.map(({ question }) => question)).toEqual([1, 1]);
});

it("goes on after a failure", async () => {
  const { sent, told, asking } = server();
  asking.ask(1);
  asking.ask(2);
  sent[0]!.fail("no");
  await settle();
  sent[1]!.answer("yes");
  await settle();
  expect(told).toEqual(["busy", "1 failed: no", "busy", "2 yes", "rest"]);
});

it("gives up what is dropped, and can be asked anew at once", async () => {
  const { sent, told, asking } = server();
  asking.ask(1);
  asking.drop();
  expect(sent[0]!.signal.aborted).toBe(true);
  asking.ask(2);
  sent[0]!.answer("late");
  sent[1]!.answer("b");
  await settle();
  expect(told).toEqual(["busy", "rest", "busy", "2 b", "rest"]);
});

it("forgets what waits when it rests", async () => {
  const { sent, asking } = server();
  asking.ask(1);
  asking.ask(2);
  asking.rest();
  sent[0]!.answer("a");
  await settle();
  expect(sent).toHaveLength(1);
});
