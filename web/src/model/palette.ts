// Colours of layers and actions, and short names; the colours themselves stand in theme.css.

const DASHES = ["", "6 3", "2 3"];
const ACTION_COLOURS = 9;

export function layerColour(layer: number): string {
  return `var(--head-${layer % 7})`;
}

export function actionColour(action: number): string {
  return `var(--action-${action % ACTION_COLOURS})`;
}

export function actionDash(action: number): string {
  return DASHES[Math.floor(action / ACTION_COLOURS) % DASHES.length] ?? "";
}

/** A CSS colour as a canvas needs it: with its variable looked up. */
export function resolved(colour: string, element: Element = document.documentElement): string {
  const name = /^var\((--[\w-]+)\)$/.exec(colour)?.[1];
  return name ? getComputedStyle(element).getPropertyValue(name).trim() : colour;
}

/** The shortest beginnings that tell the names apart, at least one letter long. */
export function shortNames(names: string[]): string[] {
  for (let length = 1; length < 12; length += 1) {
    const short = names.map((name) => name.slice(0, length));
    if (new Set(short).size === new Set(names).size) return short;
  }
  return names;
}

const BAD = /crash|saw|enemy|lava|fell/;
const GOOD = /arriv|coin|cheese|completed/;
const KINDS = ["player", "mouse", "coin", "cheese", "saw", "enemy", "crate", "lava", "wall"];

/** Colour of a kind of entity over a picture; the same in both themes. */
export function kindColour(kind: string): string {
  return KINDS.includes(kind) ? `var(--kind-${kind})` : "var(--kind-other)";
}

/** good, bad or empty: the class that colours an outcome. */
export function outcomeClass(outcome: string): string {
  if (BAD.test(outcome)) return "bad";
  return GOOD.test(outcome) ? "good" : "";
}

export function outcomeText(outcome: string): string {
  return outcome.replaceAll("_", " ").replaceAll("+", " and ");
}
