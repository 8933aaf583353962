// Which rows of a long table are drawn.

export interface Span {
  from: number;
  to: number;
}

const MARGIN = 8;

/** Rows in view and a few around them; heights in pixels. */
export function span(top: number, height: number, row: number, count: number): Span {
  const from = Math.max(0, Math.min(Math.floor(top / row) - MARGIN, count));
  return { from, to: Math.max(from, Math.min(Math.ceil((top + height) / row) + MARGIN, count)) };
}

/** Where to scroll so that a row is in view; as it is where it already is. */
export function scrollTo(index: number, top: number, height: number, row: number): number {
  if (index * row < top) return index * row;
  return (index + 1) * row > top + height ? (index + 1) * row - height : top;
}
