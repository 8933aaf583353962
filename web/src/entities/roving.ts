/** One tab stop among the buttons of a list; the arrow keys go from one to the next. */
export function roving(list: HTMLElement): () => void {
  const hear = (event: KeyboardEvent) => {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const buttons = [...list.querySelectorAll<HTMLElement>("button")];
    const at = buttons.indexOf(document.activeElement as HTMLElement);
    if (!way || at < 0) return;
    event.preventDefault();
    event.stopPropagation(); // elsewhere they go from episode to episode
    buttons[at + way]?.focus();
  };
  list.addEventListener("keydown", hear);
  return () => list.removeEventListener("keydown", hear);
}
