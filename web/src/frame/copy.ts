/** Lines that are copied together: what several begin with, e.g. an import, stands once. */
export function together(texts: string[]): string {
  return [...new Set(texts.flatMap((text) => text.split("\n")))].filter(Boolean).join("\n");
}

/** Put text into the clipboard; says whether that worked. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

// A page from disk, or one without permission, may only copy what is selected.
function copySelected(text: string): boolean {
  const before = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.setAttribute("aria-hidden", "true");
  field.className = "offstage";
  (before?.closest("dialog") ?? document.body).append(field);
  field.select();
  let done = false;
  try {
    done = document.execCommand("copy");
  } catch {
    done = false;
  }
  field.remove();
  if (before instanceof HTMLElement) before.focus();
  return done;
}
