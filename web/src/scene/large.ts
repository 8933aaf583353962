// Large pictures of an episode, drawn by the server: one at a time, the last one asked for first,
// then the one after it.

import type { Picture } from "../api/schema";
import { Recent } from "../model/recent";

const MEMORY = 24 * 2 ** 20;

type Tell = (picture: HTMLImageElement | null, error?: unknown) => void;

export class LargePictures {
  private kept = new Recent<HTMLImageElement>(MEMORY, ({ src }) => src.length);
  private next: { step: number; tell: Tell } | null = null;
  private busy = false;

  constructor(
    private ask: (step: number) => Promise<Picture>,
    private steps: number,
    private decode: (address: string) => Promise<HTMLImageElement> = decoded,
  ) {}

  /** Tell the picture of a step, unless another step is wanted first; gives what gives it up. */
  want(step: number, tell: Tell): () => void {
    const mine = { step, tell };
    this.next = mine;
    if (!this.busy) void this.go();
    return () => {
      if (this.next === mine) this.next = null;
    };
  }

  private async go(): Promise<void> {
    this.busy = true;
    while (this.next) {
      const { step, tell } = this.next;
      this.next = null;
      await this.at(step).then(tell, (error: unknown) => tell(null, error));
      if (this.next || step + 1 >= this.steps) continue;
      await this.at(step + 1).catch(() => undefined); // it is told when it is wanted
    }
    this.busy = false;
  }

  private at(step: number): Promise<HTMLImageElement> {
    return this.kept.get(String(step), async () => this.decode((await this.ask(step)).image));
  }
}

/** A data address as an image that can be drawn. */
export async function decoded(address: string): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}
