import { expect, it } from "vitest";
import type { WhyNotAnswer } from "../api/schema";
import { verdict } from "./words";

const answer = (margin: number, ...margins: number[]) =>
  ({
    action: "LEFT",
    margin,
    entities: 5,
    changes: margins.map((one) => ({ margin: one })),
  }) as unknown as WhyNotAnswer;

it("tells how far the action is from being preferred and what suffices", () => {
  expect(verdict(answer(-0.5, 0.2, 0.1, -0.1), "LEFT")).toBe(
    "LEFT scores 0.500 below what is preferred. 2 changes suffice; 5 entities tried.",
  );
  expect(verdict(answer(-0.5, 0.2, 0), "LEFT")).toContain("1 change suffices;");
  expect(verdict({ ...answer(-0.5, -0.2), entities: 1 }, "LEFT")).toContain(
    "No change suffices; 1 entity tried.",
  );
  expect(verdict(answer(0.25, 0.5), "LEFT")).toBe(
    "LEFT is preferred at this step already, by 0.250.",
  );
});
