// Where the page's data comes from: the server, or what an exported page holds.

import type { components } from "./types";

type Problem = components["schemas"]["Problem"];

export class Failure extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly status: number,
    /** Where in a query the word lies that it is about, in characters. */
    readonly place: { at: number; length: number } | null = null,
  ) {
    super(message);
  }
}

export interface Source {
  /** Whether a server answers: without one there is no live view, no job, no note to write. */
  readonly served: boolean;
  json<T>(path: string, signal?: AbortSignal): Promise<T>;
  /** Bytes of a resource from `from` up to `to`. */
  bytes(path: string, from: number, to: number, signal?: AbortSignal): Promise<ArrayBuffer>;
  send<T>(
    method: "POST" | "PUT" | "DELETE",
    path: string,
    body?: unknown,
    signal?: AbortSignal,
  ): Promise<T>;
}

/** What an exported page holds: answers by path; binary ones in base64. */
export interface Held {
  json: Record<string, unknown>;
  bytes: Record<string, string>;
}

export class Server implements Source {
  readonly served = true;

  async json<T>(path: string, signal?: AbortSignal): Promise<T> {
    return (await answer(path, { signal })).json() as Promise<T>;
  }

  async bytes(path: string, from: number, to: number, signal?: AbortSignal): Promise<ArrayBuffer> {
    if (to <= from) return new ArrayBuffer(0);
    const got = await answer(path, { headers: { Range: `bytes=${from}-${to - 1}` }, signal });
    const body = await got.arrayBuffer();
    if (body.byteLength !== to - from) throw new Failure("the answer was cut off", "truncated", 0);
    return body;
  }

  async send<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const headers: Record<string, string> = body ? { "Content-Type": "application/json" } : {};
    const text = body ? JSON.stringify(body) : undefined;
    return (await answer(path, { method, headers, body: text, signal })).json() as Promise<T>;
  }
}

async function answer(path: string, request: RequestInit): Promise<Response> {
  let got: Response;
  try {
    got = await fetch(path, request);
  } catch (error) {
    if (request.signal?.aborted) throw error;
    throw new Failure("the server does not answer; is `policyscope panel` running?", "offline", 0);
  }
  if (got.ok) return got;
  const told = (await got.json().catch(() => null)) as Partial<Problem> | null;
  const message = told?.message ?? `the server answered ${got.status} ${got.statusText}`.trim();
  const place = typeof told?.at === "number" ? { at: told.at, length: told.length ?? 0 } : null;
  throw new Failure(message, told?.code ?? "broken", got.status, place);
}

export class Export implements Source {
  readonly served = false;
  private decoded = new Map<string, Uint8Array<ArrayBuffer>>();

  constructor(private held: Held) {}

  async json<T>(path: string): Promise<T> {
    if (!Object.hasOwn(this.held.json, path)) throw missing(path);
    return this.held.json[path] as T;
  }

  async bytes(path: string, from: number, to: number): Promise<ArrayBuffer> {
    let whole = this.decoded.get(path);
    if (!whole) {
      if (!Object.hasOwn(this.held.bytes, path)) throw missing(path);
      const text = this.held.bytes[path]!;
      whole = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      this.decoded.set(path, whole);
    }
    return whole.slice(from, to).buffer;
  }

  async send<T>(): Promise<T> {
    throw new Failure("an exported page cannot do this; it needs a server", "not_exported", 404);
  }
}

function missing(path: string): Failure {
  const mend = "`policyscope panel` shows all of the recording";
  return new Failure(`this exported page does not hold ${path}; ${mend}`, "not_exported", 404);
}

/** The export's own data if the page holds some, else the server. */
export function openSource(page: Document = document): Source {
  const held = page.getElementById("held");
  return held?.textContent ? new Export(JSON.parse(held.textContent) as Held) : new Server();
}
