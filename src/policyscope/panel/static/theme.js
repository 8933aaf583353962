// Light or dark: the system's choice until the reader makes one.

import { byId } from "./dom.js";

const KEY = "policyscope-theme";

function stored() {
  try {
    return window.localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export function mountTheme() {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  let chosen = stored();
  const apply = () => {
    root.dataset.theme = chosen || (system.matches ? "dark" : "light");
    byId("theme").setAttribute("aria-label",
      `switch to the ${root.dataset.theme === "dark" ? "light" : "dark"} theme`);
  };
  byId("theme").addEventListener("click", () => {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    try {
      window.localStorage.setItem(KEY, chosen);
    } catch {
      // A page without storage keeps the choice until it is closed.
    }
    apply();
  });
  system.addEventListener("change", apply);
  apply();
}
