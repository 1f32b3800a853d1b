/** The broker's side of a lane: how a batch gets there, in parts if need be, and what does not. */
import { Blocks } from './blocks.js';
import type { OutboxRow } from './blocks.js';
import type { Epochs, Leases } from './leases.js';
import type { Clock, Logger } from '../platform/surroundings.js';
import { RecordsRefused, TopicUnknown } from './producer.js';
import type { Producer } from './producer.js';
import type { Session } from './session.js';
import type { LaneStatements } from './statements.js';
import { Patience } from './trouble.js';

const RETRY_MS = { first: 100, cap: 5000 };

/** What the broker never takes waits, and its key with it, or goes to the dead letters. */
export type Policy = 'block' | 'skip';

/** What may be another from one batch to the next. */
export interface Tuning {
  readonly policy: Policy;
  /** Of one batch. */
  readonly rows: number;
  /** Of one batch that has more than one row. */
  readonly bytes: number;
}

/** Of all lanes of a relay, since it was started. */
export interface Tally {
  /** Messages that the broker has taken; one that was sent twice counts twice. */
  sent: number;
  batches: number;
  /** Batches that the broker did not take as they were. */
  failures: number;
  /** Put to the dead letters. */
  dead: number;
}

/** Of a lane. */
export interface ShippingParts {
  readonly session: Session;
  readonly statements: LaneStatements;
  readonly leases: Leases;
  /** The id of the relay. */
  readonly relay: string;
  readonly lane: number;
  readonly producer: Producer;
  readonly tuning: () => Tuning;
  readonly tally: Tally;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Batch {
  readonly rows: readonly OutboxRow[];
  /** The buckets that were asked for. */
  readonly epochs: Epochs;
}

export interface Shipped {
  readonly sent: readonly OutboxRow[];
  /** All of it: what was read meanwhile may follow. */
  readonly isWhole: boolean;
}

export class Shipping {
  readonly blocks: Blocks;
  readonly broker: Patience;

  constructor(private readonly parts: ShippingParts) {
    this.blocks = new Blocks(parts.clock);
    this.broker = new Patience(parts.clock, RETRY_MS);
  }

  /** In parts, if the broker does not take it as it is. */
  async ship({ rows, epochs }: Batch): Promise<Shipped> {
    const sent: OutboxRow[] = [];
    const parts = rows.length === 0 ? [] : [rows];
    let isWhole = true;
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      const ready = this.ready(part, epochs);
      if (ready.length < part.length) isWhole = false;
      if (ready.length === 0) continue;
      try {
        await this.parts.producer.send(ready);
        for (const row of ready) sent.push(row);
        this.taken(ready);
      } catch (error) {
        isWhole = false;
        this.parts.tally.failures += 1;
        const again = await this.divided(ready, epochs, error);
        if (!again) break;
        parts.unshift(...again);
      }
    }
    return { sent, isWhole };
  }

  /** What may be sent of it now. */
  private ready(rows: readonly OutboxRow[], epochs: Epochs): readonly OutboxRow[] {
    const lost = this.parts.leases.lostOf(epochs);
    if (lost.size === 0 && this.blocks.areNone) return rows;
    return rows.filter((row) => !lost.has(row.bucket) && !this.blocks.has(row));
  }

  private taken(rows: readonly OutboxRow[]): void {
    const { tally, logger, lane } = this.parts;
    tally.sent += rows.length;
    tally.batches += 1;
    this.blocks.passed(rows);
    if (this.broker.worked()) logger.info({ lane }, 'messages go out again');
  }

  /** What to send now instead; null: nothing, it has to wait. */
  private async divided(
    rows: readonly OutboxRow[],
    epochs: Epochs,
    error: unknown,
  ): Promise<(readonly OutboxRow[])[] | null> {
    const { logger, lane } = this.parts;
    if (error instanceof TopicUnknown && rows.some(({ topic }) => topic === error.topic)) {
      const isNew = this.blocks.topic(error.topic, error.message);
      if (isNew) logger.warn({ topic: error.topic, error: error.message }, 'messages to a topic wait');
      return [rows];
    }
    if (error instanceof RecordsRefused) {
      const [row] = rows;
      if (rows.length === 1 && row) await this.refused(row, epochs, error.message);
      const half = rows.length >> 1;
      return half === 0 ? [] : [rows.slice(0, half), rows.slice(half)];
    }
    const trouble = this.broker.failed(error);
    if (trouble) logger.warn({ lane, error: trouble.why }, 'the broker does not take messages; they wait');
    return null;
  }

  private async refused(row: OutboxRow, epochs: Epochs, why: string): Promise<void> {
    const { tuning, logger } = this.parts;
    const { topic, key, id } = row;
    if (tuning().policy === 'skip' && (await this.buried(row, epochs, why))) {
      logger.warn({ topic, key, id, error: why }, 'the broker refuses a message; it is among the dead ones now');
    } else if (this.blocks.row(row, why)) {
      logger.warn({ topic, key, id, error: why }, 'the broker refuses a message; it waits, and its key with it');
    }
  }

  private async buried({ bucket, id }: OutboxRow, epochs: Epochs, why: string): Promise<boolean> {
    const { session, statements, relay, tally, leases } = this.parts;
    try {
      const values = [relay, [bucket], [epochs.get(bucket)], id, why];
      const buried = await session.query(statements.bury, values);
      tally.dead += buried.length;
      if (buried.length === 0) leases.lose([bucket]);
      return true;
    } catch {
      // Whoever reads the outbox meets the same trouble, and tells it.
      return false;
    }
  }
}
