// Colours of heads and actions (Okabe & Ito 2008), and short action names.

export function headColour(head) {
  return `var(--head-${head % 7})`;
}

const DASHES = ["none", "6 3", "2 3"];
const ACTION_COLOURS = 5;

export function actionColour(action) {
  return `var(--action-${action % ACTION_COLOURS})`;
}

export function actionDash(action) {
  return DASHES[Math.floor(action / ACTION_COLOURS) % DASHES.length];
}

// The shortest beginnings that tell the names apart, at least one letter long.
export function shortNames(names) {
  for (let length = 1; length < 12; length += 1) {
    const short = names.map((name) => name.slice(0, length));
    if (new Set(short).size === names.length) return short;
  }
  return names;
}

export function outcomeClass(outcome) {
  if (outcome.includes("crash")) return "bad";
  return outcome.includes("arriv") ? "good" : "plain";
}
