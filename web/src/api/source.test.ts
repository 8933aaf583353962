import { afterEach, describe, expect, test, vi } from "vitest";
import { Export, Failure, openSource, Server } from "./source";

function answering(answer: Response | Error) {
  const fetch = vi.fn(async (_path: string, request?: RequestInit) => {
    request?.signal?.throwIfAborted();
    if (answer instanceof Error) throw answer;
    return answer.clone();
  });
  vi.stubGlobal("fetch", fetch);
  return fetch;
}
afterEach(() => {
  vi.unstubAllGlobals();
  document.body.replaceChildren();
});

describe("server", () => {
  test("an error is told as the server told it", async () => {
    const body = JSON.stringify({ code: "unknown_name", message: "no recording 'x'" });
    answering(new Response(body, { status: 404 }));
    const error = await new Server().json("/api/x").catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Failure);
    expect(error).toMatchObject({ message: "no recording 'x'", code: "unknown_name", status: 404 });
  });

  test("an error that is no JSON is a failure too", async () => {
    answering(new Response("<h1>Bad gateway</h1>", { status: 502, statusText: "Bad Gateway" }));
    const error = await new Server().json("/api/x").catch((e: unknown) => e);
    expect(error).toMatchObject({ message: "the server answered 502 Bad Gateway", code: "broken" });
  });

  test("no server is offline; giving up is no failure", async () => {
    answering(new TypeError("fetch failed"));
    await expect(new Server().json("/api/x")).rejects.toMatchObject({ code: "offline" });
    const stop = new AbortController();
    stop.abort();
    const error = await new Server().json("/api/x", stop.signal).catch((e: unknown) => e);
    expect(error).not.toBeInstanceOf(Failure);
    expect(error).toMatchObject({ name: "AbortError" });
  });

  test("bytes are asked for by range, and a short answer is refused", async () => {
    const fetch = answering(new Response(new Uint8Array([1, 2, 3]), { status: 206 }));
    expect(new Uint8Array(await new Server().bytes("/a", 4, 7))).toEqual(new Uint8Array([1, 2, 3]));
    expect(fetch.mock.calls[0]![1]!.headers).toEqual({ Range: "bytes=4-6" });
    await expect(new Server().bytes("/a", 4, 8)).rejects.toMatchObject({ code: "truncated" });
    expect((await new Server().bytes("/a", 4, 4)).byteLength).toBe(0);
    expect(fetch).toHaveBeenCalledTimes(2);
  });

  test("what is sent is JSON", async () => {
    const fetch = answering(new Response('{"id": "1"}'));
    expect(await new Server().send("POST", "/a", { text: "x" })).toEqual({ id: "1" });
    expect(fetch.mock.calls[0]![1]).toMatchObject({ method: "POST", body: '{"text":"x"}' });
  });
});

describe("export", () => {
  const held = {
    json: { "/api/library": { recordings: [] } },
    bytes: { "/a": btoa("\x01\x02\xff") },
  };

  test("gives what it holds", async () => {
    const source = new Export(held);
    expect(await source.json("/api/library")).toEqual({ recordings: [] });
    expect(new Uint8Array(await source.bytes("/a", 1, 3))).toEqual(new Uint8Array([2, 255]));
    expect(new Uint8Array(await source.bytes("/a", 0, 1))).toEqual(new Uint8Array([1]));
  });

  test.each(["/api/other", "toString", "__proto__"])("does not hold %s", async (path) => {
    const source = new Export(held);
    await expect(source.json(path)).rejects.toMatchObject({ code: "not_exported" });
    await expect(source.bytes(path, 0, 1)).rejects.toMatchObject({ code: "not_exported" });
    await expect(source.send()).rejects.toBeInstanceOf(Failure);
  });

  test("is what a page with data opens; another asks its server", () => {
    expect(openSource().served).toBe(true);
    const data = document.createElement("script");
    data.id = "held";
    data.type = "application/json";
    data.textContent = JSON.stringify(held);
    document.body.append(data);
    expect(openSource().served).toBe(false);
  });
});
