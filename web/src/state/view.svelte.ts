// What is shown, as it stands in the address: setting it changes the address, and the address sets it.

import { read, write, type View } from "./address";

class Shown {
  now = $state<View>(read(""));

  /** Go somewhere; a change of place makes an entry in the browser's history, a step does not. */
  go(change: Partial<View>): void {
    const next = { ...this.now, ...change };
    const place = (view: View) => [view.page, view.recording, view.episode, view.result].join(" ");
    const keep = place(next) === place(this.now);
    this.now = next;
    history[keep ? "replaceState" : "pushState"](null, "", write(next));
  }

  /** Take the view from the address, now and whenever it changes; gives a function that stops. */
  follow(): () => void {
    const take = () => (this.now = read(location.hash));
    take();
    addEventListener("popstate", take);
    addEventListener("hashchange", take);
    return () => {
      removeEventListener("popstate", take);
      removeEventListener("hashchange", take);
    };
  }
}

export const shown = new Shown();
