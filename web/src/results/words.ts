// Parts of a result as text.

import type { CheckLine } from "../api/schema";

/** Any value of a parameter or of the provenance in one line. */
export function inText(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return String(value).replace(/^-/, "\u2212");
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(inText).join(", ");
  return Object.entries(value)
    .map(([name, part]) => `${name} ${inText(part)}`)
    .join(" \u00b7 ");
}

/** Names and values, with what lies one level deeper under dotted names. */
export function flat(values: Record<string, unknown>): [string, string][] {
  return Object.entries(values).flatMap(([name, value]): [string, string][] => {
    const nested = typeof value === "object" && value !== null && !Array.isArray(value);
    if (!nested) return [[name, inText(value)]];
    return Object.entries(value).map(([inner, part]) => [`${name}.${inner}`, inText(part)]);
  });
}

/** A number of a check, whatever its size. */
export function plain(value: number | null): string {
  if (value === null) return "none";
  const size = Math.abs(value);
  const small = size !== 0 && (size < 1e-3 || size >= 1e6);
  const text = small ? value.toExponential(1) : String(Number(value.toPrecision(4)));
  return text.replaceAll("-", "\u2212");
}

const SENSES: Record<string, string> = { "<=": "≤", ">=": "≥", "==": "=", "!=": "≠" };

/** "≤ 0.01": what the value must be. */
export function bound({ sense, bound }: CheckLine): string {
  return `${SENSES[sense] ?? sense} ${plain(bound)}`;
}

export function verdict(checks: CheckLine[]): string {
  const failed = checks.filter(({ passed }) => !passed).length;
  const all = `${checks.length} ${checks.length === 1 ? "check" : "checks"}`;
  return failed ? `${failed} of ${all} FAILED` : `${all} passed`;
}
