// What was asked for last is kept, up to a size; what is asked for twice at once is fetched once.

interface Held<V> {
  promise: Promise<V>;
  size: number;
}

export class Recent<V> {
  private held = new Map<string, Held<V>>();
  private total = 0;

  constructor(
    private limit: number,
    private size: (value: V) => number,
  ) {}

  get(key: string, fetch: () => Promise<V>): Promise<V> {
    const known = this.held.get(key);
    if (known) {
      this.held.delete(key);
      this.held.set(key, known); // now the last to go
      return known.promise;
    }
    const entry: Held<V> = { promise: fetch(), size: 0 };
    this.held.set(key, entry);
    entry.promise.then(
      (value) => this.settle(key, entry, this.size(value)),
      () => this.held.get(key) === entry && this.drop(key),
    );
    return entry.promise;
  }

  drop(key: string): void {
    const entry = this.held.get(key);
    if (!entry) return;
    this.held.delete(key);
    this.total -= entry.size;
  }

  dropWhere(test: (key: string) => boolean): void {
    for (const key of [...this.held.keys()]) if (test(key)) this.drop(key);
  }

  get count(): number {
    return this.held.size;
  }

  private settle(key: string, entry: Held<V>, size: number): void {
    if (this.held.get(key) !== entry) return;
    entry.size = size;
    this.total += size;
    for (const oldest of [...this.held.keys()]) {
      if (this.total <= this.limit || oldest === key) break;
      this.drop(oldest);
    }
  }
}
