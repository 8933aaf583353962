import { expect, test } from "vitest";
import { Cached } from "./cached";
import { client } from "./client";
import { Failure, type Source } from "./source";

/** A server that answers when it is told to. */
class Slow implements Source {
  readonly served = true;
  asked: string[] = [];
  signals: (AbortSignal | undefined)[] = [];
  answers: { give: (value: unknown) => void; fail: (error: unknown) => void }[] = [];

  json<T>(path: string, signal?: AbortSignal): Promise<T> {
    this.asked.push(path);
    this.signals.push(signal);
    return new Promise<T>((resolve, reject) => {
      this.answers.push({ give: resolve as never, fail: reject });
      signal?.addEventListener("abort", () => reject(signal.reason as Error));
    });
  }
  bytes = async () => new ArrayBuffer(0);
  send = async <T>() => null as T;
}

const REC = "/api/recordings/r";

test("asks once for what is asked for twice, also while it is on its way", async () => {
  const server = new Slow();
  const source = new Cached(server);
  const both = Promise.all([source.json(REC), source.json(REC)]);
  server.answers[0]!.give("answer");
  expect(await both).toEqual(["answer", "answer"]);
  expect(await source.json(REC)).toBe("answer");
  expect(server.asked).toEqual([REC]);
});

test("the library, notes and jobs are asked for each time", async () => {
  const server = new Slow();
  const source = new Cached(server);
  for (const path of ["/api/library", `${REC}/notes`, "/api/jobs"]) {
    void source.json(path);
    void source.json(path);
  }
  expect(server.asked).toHaveLength(6);
});

test("a failure is not remembered", async () => {
  const server = new Slow();
  const source = new Cached(server);
  const first = source.json(REC);
  server.answers[0]!.fail(new Failure("torn", "bad_file", 400));
  await expect(first).rejects.toMatchObject({ code: "bad_file" });
  const second = source.json(REC);
  server.answers[1]!.give("well");
  expect(await second).toBe("well");
});

test("a request is given up when the last who waits leaves", async () => {
  const server = new Slow();
  const source = new Cached(server);
  const [one, two] = [new AbortController(), new AbortController()];
  const first = source.json(REC, one.signal);
  const second = source.json(REC, two.signal);
  one.abort();
  await expect(first).rejects.toMatchObject({ name: "AbortError" });
  expect(server.signals[0]!.aborted).toBe(false);
  two.abort();
  await expect(second).rejects.toMatchObject({ name: "AbortError" });
  expect(server.signals[0]!.aborted).toBe(true);
  void source.json(REC);
  expect(server.asked).toHaveLength(2);
});

test("the oldest is forgotten, what was used again is not", async () => {
  const server = new Slow();
  const source = new Cached(server);
  const ask = async (k: number) => {
    const answer = source.json(`${REC}/episodes/${k}`);
    server.answers.at(-1)!.give(k);
    await answer;
  };
  for (let k = 0; k < 64; k += 1) await ask(k);
  await ask(0);
  await ask(64);
  expect(server.asked).toHaveLength(65);
  await ask(0);
  expect(server.asked).toHaveLength(65);
  await ask(1);
  expect(server.asked).toHaveLength(66);
});

test("a recording can be forgotten with its episodes, and no other", async () => {
  const server = new Slow();
  const api = client(server);
  void api.recording("r");
  void api.episode("r", 1);
  void api.recording("r2");
  api.forget("r");
  void api.recording("r");
  void api.episode("r", 1);
  void api.recording("r2");
  expect(server.asked).toHaveLength(5);
});

test("bytes of another version: the recording is forgotten and told once", async () => {
  const server = new Slow();
  const url = `${REC}%2Fs/episodes/0/arrays?v=1`;
  server.bytes = () => Promise.reject(new Failure("made anew", "changed", 409));
  const api = client(server);
  const told: string[] = [];
  const end = api.whenChanged((rec) => told.push(rec));
  void api.recording("r/s");
  const both = [0, 8].map((from) => api.source.bytes(url, from, from + 8));
  expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual([
    "rejected",
    "rejected",
  ]);
  expect(told).toEqual(["r/s"]);
  void api.recording("r/s");
  expect(server.asked).toHaveLength(2);
  end();
  await expect(api.source.bytes(`${url}2`, 0, 8)).rejects.toMatchObject({ code: "changed" });
  expect(told).toHaveLength(1);
});
