// What the pointer or the keyboard is on: it is lit in every view at once.

class Focus {
  /** Entity lit now. */
  identity = $state<number | null>(null);
  /** Layer (attention head) lit now; a pinned one stands in the address. */
  layer = $state<number | null>(null);
}

export const focus = new Focus();
