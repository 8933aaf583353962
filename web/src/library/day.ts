/** The day of an ISO time, as it is written there. */
export function day(iso: string | null | undefined): string {
  return /^\d{4}-\d\d-\d\d/.exec(iso ?? "")?.[0] ?? "";
}
