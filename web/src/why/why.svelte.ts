// Which changes of single entities make the agent prefer another action at the step that is shown.

import type { WhyNotAnswer, WhyNotRequest } from "../api/schema";
import { Answered } from "../live/answered.svelte";

const REST_MS = 400;

export const why = new Answered<WhyNotRequest, WhyNotAnswer>(
  (api, wanted, signal) => api.whyNot(wanted, signal),
  REST_MS,
);
