// The client that all components of a page share.

import { getContext, setContext } from "svelte";
import type { Client } from "../api/client";

const KEY = Symbol("client");

export function provideApi(api: Client): void {
  setContext(KEY, api);
}

export function useApi(): Client {
  return getContext<Client>(KEY);
}
