// Light or dark: the system's choice until the reader makes one.

export type ThemeName = "light" | "dark";
const KEY = "policyscope-theme";

class Theme {
  private chosen = $state<ThemeName | null>(stored());
  private system = $state<ThemeName>("light");

  get name(): ThemeName {
    return this.chosen ?? this.system;
  }

  get other(): ThemeName {
    return this.name === "dark" ? "light" : "dark";
  }

  toggle(): void {
    this.chosen = this.other;
    try {
      localStorage.setItem(KEY, this.chosen);
    } catch {
      // A page without storage keeps the choice until it is closed.
    }
    this.apply();
  }

  /** Take the system's choice, now and when it changes; gives a function that stops. */
  follow(): () => void {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const take = () => {
      this.system = query.matches ? "dark" : "light";
      this.apply();
    };
    take();
    query.addEventListener("change", take);
    return () => query.removeEventListener("change", take);
  }

  // At once and not in an effect: who reads colours after a change must see the new ones.
  private apply(): void {
    document.documentElement.dataset.theme = this.name;
  }
}

function stored(): ThemeName | null {
  try {
    const text = localStorage.getItem(KEY);
    return text === "light" || text === "dark" ? text : null;
  } catch {
    return null;
  }
}

export const theme = new Theme();
