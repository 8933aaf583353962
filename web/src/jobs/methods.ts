// Options of methods that the page has fields for; other methods run with their defaults.

import type { JobRequest, RecordingDetail } from "../api/schema";

export interface Option {
  name: string;
  title: string;
  kind: "choice" | "whole" | "number";
  choices?: string[];
  first: string;
  low?: number;
  high?: number;
}

const WHOLE = /^\d+$/;

export function optionsOf(method: string, recording: RecordingDetail): Option[] {
  if (method === "traces") {
    const sites = Object.keys(recording.sites);
    const most = Math.max(0, recording.episodes - 1);
    return [
      { name: "site", title: "site", kind: "choice", choices: sites, first: sites[0] ?? "" },
      { name: "episode", title: "episode", kind: "whole", first: "0", low: 0, high: most },
    ];
  }
  if (method === "attention") {
    return [
      { name: "resamples", title: "resamples", kind: "whole", first: "1000", low: 100 },
      { name: "level", title: "level", kind: "number", first: "0.95", low: 0.5, high: 0.999 },
    ];
  }
  return [];
}

/** What is wrong with a value as it was typed; null where nothing is. */
export function wrongWith(
  { title, kind, choices, low, high }: Option,
  text: string,
): string | null {
  if (kind === "choice") return choices?.includes(text) ? null : `${title}: choose one`;
  const value = Number(text);
  const read = kind === "whole" ? WHOLE.test(text.trim()) : text.trim() !== "";
  if (!read || !Number.isFinite(value))
    return `${title} is a ${kind} number`.replace("number number", "number");
  if (low !== undefined && value < low) return `${title} is at least ${low}`;
  if (high !== undefined && value > high) return `${title} is at most ${high}`;
  return null;
}

export function request(
  recording: string,
  method: string,
  options: Option[],
  texts: Record<string, string>,
): JobRequest {
  const values = options.map(({ name, kind, first }) => {
    const text = texts[name] ?? first;
    return [name, kind === "choice" ? text : Number(text)] as const;
  });
  return { recording, method, options: Object.fromEntries(values) };
}
