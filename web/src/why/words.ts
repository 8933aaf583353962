// What came of asking why not, in a sentence.

import type { WhyNotAnswer } from "../api/schema";
import { fixed } from "../model/format";

/** How far an action, by name, is from being preferred, and how many changes suffice. */
export function verdict({ margin, changes, entities }: WhyNotAnswer, action: string): string {
  if (margin > 0) return `${action} is preferred at this step already, by ${fixed(margin, 3)}.`;
  const enough = changes.filter((one) => one.margin > 0).length;
  const suffice =
    ["No change suffices", "1 change suffices"][enough] ?? `${enough} changes suffice`;
  const tried = `${entities} ${entities === 1 ? "entity" : "entities"} tried`;
  return `${action} scores ${fixed(-margin, 3)} below what is preferred. ${suffice}; ${tried}.`;
}
