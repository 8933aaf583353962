/** Say that the first view has its data: who drives the page from outside waits for it. */
export function ready(): void {
  document.body.dataset.ready = "true";
}
