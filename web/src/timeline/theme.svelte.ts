// Canvases do not follow style sheets: what draws on one reads `theme.name` and so draws anew.

import { createSubscriber } from "svelte/reactivity";

class Theme {
  private follow = createSubscriber((update) => {
    const watch = new MutationObserver(update);
    watch.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    return () => watch.disconnect();
  });

  get name(): string {
    this.follow();
    return document.documentElement.dataset.theme ?? "light";
  }
}

export const theme = new Theme();
