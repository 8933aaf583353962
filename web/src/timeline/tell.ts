// What a lane says about a step under the pointer.

/** One line of it. */
export interface Told {
  name: string;
  text: string;
  colour?: string;
}
