/**
 * One lane: reads the first rows of its buckets, sends them, and removes by their ids those that the broker has. While a
 * batch is at the broker, the one before is removed and the next is read. Whatever goes wrong, it starts again from
 * what is in the table, so that a message may be sent twice, and none is left out or overtakes one of its key.
 */
import { Bell } from './bell.js';
import type { Exclusions, OutboxRow } from './blocks.js';
import type { Epochs } from './leases.js';
import { Shipping } from './shipping.js';
import type { Batch, ShippingParts } from './shipping.js';
import { Patience } from './trouble.js';

const IDLE_MS = { first: 5, cap: 250 };
const RETRY_MS = { first: 100, cap: 2000 };

export interface DrainParts extends ShippingParts {
  readonly lanes: number;
}

const NOTHING: Batch = { rows: [], epochs: new Map() };

export class Drain {
  readonly shipping: Shipping;
  readonly database: Patience;
  private readonly bell: Bell;
  private isStopping = false;
  private sending: Batch = NOTHING;
  /** The broker has them. */
  private toRemove: Batch[] = [];
  private reading: Epochs = NOTHING.epochs;
  /** The last bucket that was read from. */
  private place = 0;

  constructor(private readonly parts: DrainParts) {
    this.shipping = new Shipping(parts);
    this.database = new Patience(parts.clock, RETRY_MS);
    this.bell = new Bell(parts.clock);
  }

  /** There may be something to send; while something does not work, that waits all the same. */
  wake(): void {
    if (this.restMs === 0) this.bell.ring();
  }

  /** `run` ends when what is under way has come to its end. */
  stop(): void {
    this.isStopping = true;
    this.bell.ring();
  }

  /** Rows of it may be on their way. */
  isInHand(bucket: number): boolean {
    const inHand = [this.sending, ...this.toRemove].map(({ epochs }) => epochs);
    return [...inHand, this.reading].some((epochs) => epochs.has(bucket));
  }

  /** Until it is stopped. Never rejects. */
  async run(): Promise<void> {
    const { lanes } = this.parts;
    let batch = NOTHING;
    let idleMs = 0;
    while (!this.isStopping) {
      batch = await this.step(batch);
      const isIdle = batch.rows.length === 0 && this.toRemove.length === 0;
      idleMs = isIdle ? Math.min(Math.max(IDLE_MS.first, idleMs * 2), IDLE_MS.cap * lanes) : 0;
      const waitMs = Math.max(this.restMs, idleMs);
      if (waitMs > 0) await this.bell.wait(waitMs);
    }
    await this.finish();
  }

  /** Until the next attempt of what did not work. */
  private get restMs(): number {
    return Math.max(this.shipping.broker.restMs, this.database.restMs);
  }

  /** Sends the batch, and meanwhile removes what was sent before and reads what comes next. */
  private async step(batch: Batch): Promise<Batch> {
    const exclusions = this.shipping.blocks.exclusions();
    this.sending = batch;
    const [shipped, next] = await Promise.all([this.shipping.ship(batch), this.turnOver(batch, exclusions)]);
    this.sending = NOTHING;
    if (shipped.sent.length > 0) this.toRemove.push({ rows: shipped.sent, epochs: batch.epochs });
    if (shipped.isWhole && next) return next;
    // What was read may be behind what was not sent.
    this.reading = NOTHING.epochs;
    return NOTHING;
  }

  /** Null: the database does not work. */
  private async turnOver(batch: Batch, exclusions: Exclusions): Promise<Batch | null> {
    const { logger, lane } = this.parts;
    this.reading = NOTHING.epochs;
    try {
      for (let first = this.toRemove[0]; first; first = this.toRemove[0]) {
        await this.remove(first);
        this.toRemove.shift();
      }
      const next = this.isStopping ? NOTHING : await this.read(batch, exclusions);
      if (this.database.worked()) logger.info({ lane }, 'the outbox can be read again');
      return next;
    } catch (error) {
      const trouble = this.database.failed(error);
      if (trouble) logger.warn({ lane, error: trouble.why }, 'the outbox cannot be read; trying again');
      return null;
    }
  }

  private async remove({ rows, epochs }: Batch): Promise<void> {
    const { session, statements, leases, relay, logger } = this.parts;
    const buckets = [...new Set(rows.map(({ bucket }) => bucket))];
    const mine = await session.query<{ bucket: number }>(statements.remove, [
      relay,
      arrayOf(buckets),
      arrayOf(buckets.map((bucket) => epochs.get(bucket))),
      arrayOf(rows.map(({ bucket }) => bucket)),
      arrayOf(rows.map(({ id }) => id)),
    ]);
    if (mine.length === buckets.length) return;
    const lost = buckets.filter((bucket) => !mine.some((row) => row.bucket === bucket));
    logger.warn({ buckets: lost }, 'others have these buckets now; what was sent of them last is sent twice');
    leases.lose(lost);
  }

  private async read({ rows: onTheirWay }: Batch, exclusions: Exclusions): Promise<Batch> {
    const { session, statements, leases, lane, lanes, tuning } = this.parts;
    const { rows: maxRows, bytes } = tuning();
    const epochs = lanes === 1 ? leases.usable : ofLane(leases.usable, lane, lanes);
    if (epochs.size === 0) return NOTHING;
    this.reading = epochs;
    // Each read goes on behind the bucket where the last one ended, so that a full bucket holds nobody up.
    const buckets = [...epochs.keys()].sort((a, b) => a - b);
    const behind = Math.max(
      0,
      buckets.findIndex((bucket) => bucket > this.place),
    );
    const inTurn = [...buckets.slice(behind), ...buckets.slice(0, behind)];
    const rows = await session.query<OutboxRow>(statements.read, [
      arrayOf(inTurn),
      arrayOf([...onTheirWay.map(({ id }) => id), ...exclusions.ids]),
      exclusions.topics,
      exclusions.keyTopics,
      exclusions.keys,
      maxRows,
      bytes,
    ]);
    const last = rows.at(-1);
    if (last) this.place = last.bucket;
    else this.reading = NOTHING.epochs;
    return { rows, epochs };
  }

  /** What the broker has is removed; if that fails, it is sent again by whoever comes next. */
  private async finish(): Promise<void> {
    await this.turnOver(NOTHING, this.shipping.blocks.exclusions());
    this.reading = NOTHING.epochs;
    const { length } = this.toRemove.flatMap(({ rows }) => rows);
    if (length > 0) this.parts.logger.warn({ messages: length }, 'messages were sent, and will be once more');
    await this.parts.producer.close();
  }
}

function ofLane(epochs: Epochs, lane: number, lanes: number): Epochs {
  return new Map([...epochs].filter(([bucket]) => bucket % lanes === lane));
}

/** Digits only; cheaper than what pg does for arrays of text. */
const arrayOf = (values: readonly (string | number | undefined)[]): string => `{${values.join(',')}}`;
