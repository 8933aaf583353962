// What happy-dom lacks for drawing: sizes, and a canvas that takes note of nothing.

import { vi } from "vitest";

export const WIDTH = 600;

export function stubCanvas(): void {
  const nothing: object = new Proxy(() => nothing, {
    get: (_, name) => (name === "width" ? 10 : nothing),
    set: () => true,
    apply: () => nothing,
  });
  vi.stubGlobal("Path2D", class { constructor() { return nothing; } }); // prettier-ignore
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(nothing as never);
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(WIDTH);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(80);
}

/** Counts listeners on the window and the document that were added and not removed. */
export function countListeners(): () => number {
  const held = new Set<string>();
  for (const target of [window, document]) {
    const [add, remove] = [target.addEventListener, target.removeEventListener];
    const ids = new Map<unknown, number>();
    const key = (name: string, run: unknown) => {
      if (!ids.has(run)) ids.set(run, ids.size);
      return `${target === window} ${name} ${ids.get(run)}`;
    };
    vi.spyOn(target as Window, "addEventListener").mockImplementation(
      (name: string, run: unknown, options?: unknown) => {
        held.add(key(name, run));
        add.call(target, name, run as never, options as never);
      },
    );
    vi.spyOn(target as Window, "removeEventListener").mockImplementation(
      (name: string, run: unknown, options?: unknown) => {
        held.delete(key(name, run));
        remove.call(target, name, run as never, options as never);
      },
    );
  }
  return () => held.size;
}
