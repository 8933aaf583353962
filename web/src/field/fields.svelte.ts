// The policy field of the step that is shown.

import type { FieldAnswer, FieldRequest } from "../api/schema";
import { Answered } from "../live/answered.svelte";

const REST_MS = 120;

export const fields = new Answered<FieldRequest, FieldAnswer>(
  (api, wanted, signal) => api.field(wanted, signal),
  REST_MS,
);

/** What the pointer is on. */
class Pointed {
  /** Number of the place; -1 for none. */
  place = $state(-1);
}

export const pointed = new Pointed();
