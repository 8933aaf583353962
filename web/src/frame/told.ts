// What went wrong, in two parts: what, and what to do about it.

import { Failure } from "../api/source";

export interface Told {
  what: string;
  mend: string;
}

/**
 * "no recording 'x'; there are a, b" comes apart at its first semicolon or full stop, "file: torn
 * (record it anew)" at its brackets.
 */
export function told(error: unknown): Told {
  if (!(error instanceof Failure)) {
    const text = error instanceof Error ? error.message : String(error);
    return { what: "The page made a mistake", mend: text };
  }
  const message = error.message || "the server gave no reason";
  const parts = /^(.*?)(?:; |\. )(.*)$/s.exec(message) ?? /^(.*) \(([^()]*)\)$/s.exec(message);
  const [, what = message, mend = ""] = parts ?? [];
  return { what: capital(what), mend: capital(mend) };
}

// A message may begin with the name of a file, which stays as it is.
function capital(text: string): string {
  return /^[a-z]+\b(?![./_])/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}

export function aborted(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
