/** A broker in memory: it notes what arrives, and refuses or holds it as the test says. */
import type { OutboxRecord, Producer } from '../../../src/outbox/producer.js';

export interface Held {
  readonly records: readonly OutboxRecord[];
  /** Stores them, or fails with `error`. */
  release: (error?: Error) => void;
}

export class MemoryBroker {
  readonly batches: (readonly OutboxRecord[])[] = [];
  /** What it says to a batch instead of storing it; asked each time. */
  refusal: (records: readonly OutboxRecord[]) => Error | undefined = () => undefined;
  /** Batches that were not stored. */
  refusals = 0;
  closed = 0;
  private isHolding = false;
  private readonly held: Held[] = [];
  private readonly pending = new Set<() => void>();
  private readonly waiting: ((held: Held) => void)[] = [];

  /** Payloads in the order in which they arrived, of one topic or key if given. */
  arrived({ topic, key }: { topic?: string; key?: string } = {}): unknown[] {
    return this.batches
      .flat()
      .filter((record) => (topic ?? record.topic) === record.topic && (key ?? record.key) === record.key)
      .map(({ payload }) => JSON.parse(payload) as unknown);
  }

  /** From now on each batch waits for `next` and what that does with it. */
  hold(): void {
    this.isHolding = true;
  }

  /** What comes after this is stored at once; what is held stays so. */
  letPass(): void {
    this.isHolding = false;
  }

  /** The test is over, and may have failed: nobody waits any more. */
  end(): void {
    this.isHolding = false;
    for (const give of this.pending) give();
  }

  /** The first batch that is held. */
  next(): Promise<Held> {
    const held = this.held.shift();
    return held ? Promise.resolve(held) : new Promise((resolve) => this.waiting.push(resolve));
  }

  readonly producer = (): Producer => {
    let isBusy = false;
    return {
      send: async (records) => {
        if (isBusy) throw new Error('two batches at a time');
        isBusy = true;
        try {
          await this.take(records);
        } finally {
          isBusy = false;
        }
      },
      close: () => {
        this.closed += 1;
        return Promise.resolve();
      },
    };
  };

  private async take(records: readonly OutboxRecord[]): Promise<void> {
    if (this.isHolding) await this.released(records);
    const refusal = this.refusal(records);
    if (refusal) {
      this.refusals += 1;
      throw refusal;
    }
    this.batches.push([...records]);
  }

  private released(records: readonly OutboxRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.pending.add(resolve);
      const held: Held = { records, release: (error) => (error ? reject(error) : resolve()) };
      const waiting = this.waiting.shift();
      if (waiting) waiting(held);
      else this.held.push(held);
    });
  }
}
