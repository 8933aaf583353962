// What went wrong, in the words of the server.

export function inOneLine(error: unknown): string {
  return error instanceof Error && error.message ? error.message : String(error);
}
