// What is shown, as it stands in the address: setting it changes the address, and the address sets it.

import { read, write, type View } from "./address";
import { changed, placeOf } from "./place";

/** Browsers refuse more than about 100 changes of the address in 30 s. */
const PAUSE_MS = 350;

class Shown {
  now = $state<View>(read(""));
  private written = -Infinity;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Go somewhere; a change of place makes an entry in the browser's history, a step does not. */
  go(change: Partial<View>): void {
    const next = changed($state.snapshot(this.now) as View, change);
    const stays = placeOf(next) === placeOf(this.now);
    if (!stays) this.flush();
    this.set(next);
    if (stays) this.later();
    else this.save("pushState");
  }

  /** The address of the view with a change, for a link. */
  link(change: Partial<View>): string {
    return write(changed(this.now, change));
  }

  /** Take the view from the address, now and whenever it changes; gives a function that stops. */
  follow(): () => void {
    const take = () => {
      clearTimeout(this.timer);
      this.timer = undefined;
      this.set(read(location.hash));
    };
    const flush = () => this.flush();
    take();
    addEventListener("popstate", take);
    addEventListener("hashchange", take);
    addEventListener("pagehide", flush);
    return () => {
      flush();
      removeEventListener("popstate", take);
      removeEventListener("hashchange", take);
      removeEventListener("pagehide", flush);
    };
  }

  // Field by field, so that only what has changed is drawn anew.
  private set(next: View): void {
    const now: Record<string, unknown> = this.now as never;
    for (const [name, value] of Object.entries(next)) {
      if (JSON.stringify(now[name]) !== JSON.stringify(value)) now[name] = value;
    }
  }

  private later(): void {
    if (this.timer !== undefined) return;
    const wait = this.written + PAUSE_MS - performance.now();
    if (wait <= 0) this.save("replaceState");
    else this.timer = setTimeout(() => this.flush(), wait);
  }

  private flush(): void {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.save("replaceState");
  }

  private save(how: "pushState" | "replaceState"): void {
    this.written = performance.now();
    const address = write(this.now);
    if (address === location.hash) return;
    try {
      history[how](null, "", address);
    } catch {
      // The browser had enough of changes: the view goes on without its address.
    }
  }
}

export const shown = new Shown();
