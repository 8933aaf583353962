// What the frame says of the present view: whose recording or result it is, and the lines that make it.

import type { Client } from "../api/client";
import { Loaded } from "../state/loaded.svelte";
import { shown } from "../state/view.svelte";

/** What a page itself says of what it shows; empty where the frame knows it. */
export const front = $state({ python: "" });

export class Present {
  private page = $derived(shown.now.page);
  private rec = $derived(this.result?.recording ?? shown.now.recording);
  private results: Loaded<Awaited<ReturnType<Client["result"]>>>;
  private recordings: Loaded<Awaited<ReturnType<Client["recording"]>>>;
  private library: Loaded<Awaited<ReturnType<Client["library"]>>>;
  private episodes: Loaded<Awaited<ReturnType<Client["episode"]>>>;

  constructor(api: Client) {
    this.library = new Loaded(() =>
      this.page === "library" ? (signal) => api.library(signal) : null,
    );
    this.results = new Loaded(() => {
      const [page, res] = [this.page, shown.now.result];
      return page === "result" ? (signal) => api.result(res, signal) : null;
    });
    this.recordings = new Loaded(() => {
      const rec = this.rec;
      return rec && this.page !== "library" ? (signal) => api.recording(rec, signal) : null;
    });
    this.episodes = new Loaded(() => {
      const [page, rec, k] = [this.page, shown.now.recording, shown.now.episode];
      return page === "episode" ? (signal) => api.episode(rec, k, signal) : null;
    });
  }

  get result() {
    return this.page === "result" ? (this.results?.value ?? null) : null;
  }
  get recording() {
    const value = this.recordings.value;
    return value?.id === this.rec ? value : null;
  }
  get episode() {
    const value = this.page === "episode" ? this.episodes.value : null;
    return value?.episode === shown.now.episode ? value : null;
  }

  get command(): string {
    if (this.page === "library") return panelCommand(this.library?.value?.folder ?? "");
    if (this.page === "result") return "";
    return this.recording?.command ?? "";
  }
  get python(): string {
    if (this.page === "result") return this.result?.python ?? "";
    if (this.page === "steps" && front.python) return front.python;
    return this.episode?.python ?? this.recording?.python ?? "";
  }
  get provenance(): string {
    return origin((this.result ?? this.recording)?.provenance);
  }
  get title(): string {
    const { page, episode } = shown.now;
    const parts = [page === "result" ? (this.result?.asked ?? "result") : ""];
    if (page === "episode") parts.push(`episode ${episode}`);
    if (page === "steps") parts.push("steps");
    if (page !== "library") parts.push(this.recording?.agent ?? "");
    return [...parts.filter(Boolean), "policyscope"].join(" \u00b7 ");
  }
}

/** What shows a folder again, as a shell reads it. */
export function panelCommand(folder: string): string {
  const plain = /^[\w@%+=:,./-]*$/.test(folder);
  return `policyscope panel ${plain ? folder : `'${folder.replaceAll("'", `'"'"'`)}'`}`.trim();
}

/** Where something comes from, in one line: version, date, seed, commit, packages. */
export function origin(from: Record<string, unknown> | undefined): string {
  if (!from) return "";
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  const packages = Object.entries((from.packages ?? {}) as Record<string, unknown>);
  return [
    text(from.policyscope) && `policyscope ${text(from.policyscope)}`,
    text(from.date) && `made ${text(from.date).slice(0, 10)}`,
    typeof from.seed === "number" && `seed ${from.seed}`,
    text(from.commit) && `commit ${text(from.commit).slice(0, 10)}`,
    ...packages.map(([name, version]) => version && `${name} ${String(version)}`),
  ]
    .filter(Boolean)
    .join(" \u00b7 ");
}
