/** Ids that the store makes one by one: all who ask while a request is under way share the next one. */
import { closed } from './store.js';
import type { Store } from './store.js';

/** Ids of one request. */
const MAX_BATCH = 1000;

interface Waiting {
  readonly resolve: (id: string) => void;
  readonly reject: (error: unknown) => void;
}

export class SharedTrips {
  made = 0;
  private queue: Waiting[] = [];
  private isUnderWay = false;
  private isClosed = false;

  /** @param fetch buys so many ids, in the order in which they are given out */
  constructor(
    private readonly store: Store,
    private readonly fetch: (count: number) => Promise<readonly string[]>,
  ) {}

  next(): Promise<string> {
    if (this.isClosed) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.queue.push({ resolve, reject });
      if (!this.isUnderWay) void this.pump();
    });
  }

  /** Those who wait are still answered. */
  close(): void {
    this.isClosed = true;
  }

  private async pump(): Promise<void> {
    this.isUnderWay = true;
    // Whoever asks in the same turn goes along.
    await Promise.resolve();
    while (this.queue.length > 0) {
      const batch = this.queue.splice(0, MAX_BATCH);
      try {
        const ids = await this.store.ask(() => this.fetch(batch.length));
        batch.forEach(({ resolve }, index) => resolve(ids[index] as string));
        this.made += batch.length;
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.isUnderWay = false;
  }
}
