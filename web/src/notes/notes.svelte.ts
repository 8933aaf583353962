// Notes of a recording: shown as written at once, taken back where the server refuses.

import type { Client } from "../api/client";
import type { Note, NoteText } from "../api/schema";
import { Failure } from "../api/source";
import { aborted, told } from "../frame/told";

export class Notes {
  all = $state.raw<Note[]>([]);
  /** What went wrong last, in one line. */
  problem = $state("");
  private fresh = 0;
  private sending = 0;
  /** Changes begun or ended so far: what was read meanwhile may lack one. */
  private turn = 0;
  private outdated = false;

  constructor(
    private api: Client,
    readonly recording: string,
  ) {}

  async load(signal?: AbortSignal): Promise<void> {
    const turn = this.turn;
    try {
      const found = await this.api.notes(this.recording, signal);
      if (this.sending) this.outdated = true;
      else if (turn !== this.turn) return this.load(signal);
      else this.all = found;
    } catch (error) {
      // An exported page without notes has none.
      if (error instanceof Failure && error.code === "not_exported") return;
      if (!aborted(error)) this.problem = line(error);
    }
  }

  /** Each of these says whether the server took it. */
  write(text: NoteText): Promise<boolean> {
    this.fresh += 1;
    const mine: Note = { ...text, id: `new ${this.fresh}`, written: "" };
    return this.attempt(
      () => (this.all = [...this.all, mine]),
      async () => this.put(mine.id, await this.api.writeNote(this.recording, text)),
      () => this.drop(mine.id),
    );
  }

  change(note: Note, text: string): Promise<boolean> {
    const next: NoteText = { episode: note.episode, step: note.step, text };
    return this.attempt(
      () => this.put(note.id, { ...note, text }),
      async () => this.put(note.id, await this.api.changeNote(this.recording, note.id, next)),
      () => this.put(note.id, note),
    );
  }

  remove(note: Note): Promise<boolean> {
    const at = this.all.indexOf(note);
    return this.attempt(
      () => this.drop(note.id),
      () => this.api.removeNote(this.recording, note.id),
      () => (this.all = this.all.toSpliced(at, 0, note)),
    );
  }

  private async attempt(show: () => void, send: () => Promise<unknown>, undo: () => void) {
    this.problem = "";
    this.sending += 1;
    this.turn += 1;
    show();
    try {
      await send();
      return true;
    } catch (error) {
      undo();
      this.problem = line(error);
      return false;
    } finally {
      this.sending -= 1;
      this.turn += 1;
      if (this.outdated && !this.sending) {
        this.outdated = false;
        void this.load();
      }
    }
  }

  private put(id: string, note: Note): void {
    this.all = this.all.map((each) => (each.id === id ? note : each));
  }

  private drop(id: string): void {
    this.all = this.all.filter((each) => each.id !== id);
  }
}

const shared = new WeakMap<Client, Notes>();

/** The notes of a recording, the same list for all that show them. */
export function notesOf(api: Client, recording: string): Notes {
  let notes = shared.get(api);
  if (notes?.recording !== recording) shared.set(api, (notes = new Notes(api, recording)));
  return notes;
}

function line(error: unknown): string {
  const { what, mend } = told(error);
  return mend ? `${what}: ${mend}` : what;
}

/** Notes in the order of where they belong: the recording, then episodes and their steps. */
export function ordered(notes: Note[]): Note[] {
  const place = (value: number | null | undefined) => value ?? -1;
  return [...notes].sort(
    (a, b) => place(a.episode) - place(b.episode) || place(a.step) - place(b.step),
  );
}

/** "episode 3, step 5"; "recording" where it belongs to no episode. */
export function where({ episode, step }: Pick<Note, "episode" | "step">): string {
  if (episode === null || episode === undefined) return "recording";
  return step === null || step === undefined
    ? `episode ${episode}`
    : `episode ${episode}, step ${step}`;
}
