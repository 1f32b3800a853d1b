/**
 * Numbers bought in segments from a row of a table. While one segment is used the next one is bought, so that nobody
 * waits for the database, and ids go on for one to two segments while it is away. After Leaf
 * (github.com/Meituan-Dianping/Leaf): two buffers, the next one fetched when 10 % of the present one is used, and a
 * step that follows the rate.
 */
import { CodedError } from '../platform/coded-error.js';
import type { Executor } from '../platform/executor.js';
import { rowsOf, sqlState } from '../platform/executor.js';
import { plainName } from '../platform/install.js';
import { SYSTEM_CLOCK } from '../platform/surroundings.js';
import type { Clock } from '../platform/surroundings.js';
import type { IdFacts, Ids } from './id.js';
import { SERVICE_TABLES } from './schema.js';
import { AGAIN_MS, closed, Store } from './store.js';

export interface SegmentOptions {
  /** A pool or client of pg, a DataSource of TypeORM: of the database with the tables of `installIds`. */
  readonly database: Executor;
  /** Of the numbers: one row of the table; default `default`. */
  readonly name?: string;
  /** Ids of the first segment; default 1000. Bounds of all: 100 to 1000000. */
  readonly step?: number;
  /** Segments that are used up faster double, those that last more than twice as long are halved; default 300000. */
  readonly targetMs?: number;
  /** With its schema where it is not the first of the search path; default `tercet_id_segment`. */
  readonly table?: string;
  readonly clock?: Clock;
}

const STEP = { from: 100, to: 1_000_000, default: 1000 };
const TARGET_MS = 300_000;
/** Part of a segment after which the next one is bought. */
const BUY_AT = 10n;

interface Segment {
  next: bigint;
  /** Excluded. */
  readonly end: bigint;
  /** From this number on the next segment is bought. */
  readonly buyAt: bigint;
}

/** Ids of a process rise; those of two processes interleave. What a process had bought when it ended is never used. */
export function segment(options: SegmentOptions): Ids {
  return new SegmentIds(options);
}

class SegmentIds implements Ids {
  readonly kind = 'segment';
  private readonly store = new Store('the database');
  private readonly clock: Clock;
  private readonly name: string;
  private readonly targetMs: number;
  private readonly statement: string;
  private step: number;
  private current: Segment = { next: 0n, end: 0n, buyAt: 0n };
  private spare: Segment | null = null;
  private buying: Promise<void> | null = null;
  private buyAgainAt = -Infinity;
  private usedSince: number | null = null;
  private made = 0;
  private isClosed = false;

  constructor(private readonly options: SegmentOptions) {
    const { name = 'default', step = STEP.default, targetMs = TARGET_MS, table = SERVICE_TABLES.segment } = options;
    if (!Number.isInteger(step) || step < STEP.from || step > STEP.to) {
      throw new RangeError(`step is ${step}; it must be a whole number from ${STEP.from} to ${STEP.to}`);
    }
    this.clock = options.clock ?? SYSTEM_CLOCK;
    this.name = name;
    this.step = step;
    this.targetMs = targetMs;
    // Whatever a session's default is: a segment that a crash of the server forgets would be bought twice.
    this.statement = `
      WITH bought AS (
        INSERT INTO ${plainName(table)} AS s (name, next) VALUES ($1, 1 + $2::bigint)
        ON CONFLICT (name) DO UPDATE SET next = s.next + $2::bigint
        RETURNING s.next
      )
      SELECT next::text, set_config('synchronous_commit', 'on', true) FROM bought`;
  }

  next(): Promise<string> {
    const { current } = this;
    if (current.next >= current.end || this.isClosed) return this.waitForNext();
    if (current.next >= current.buyAt && !this.spare) this.buyAhead();
    this.made += 1;
    return Promise.resolve(String(current.next++));
  }

  warnings(): readonly string[] {
    return this.store.warnings(`${this.left} are left`);
  }

  facts(): IdFacts {
    const { asked, failures } = this.store;
    return { made: this.made, asked, failures, stepsBack: 0, waits: 0, left: this.left, leftMs: null };
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  private get left(): number {
    const { current, spare } = this;
    return Number(current.end - current.next) + (spare ? Number(spare.end - spare.next) : 0);
  }

  private async waitForNext(): Promise<string> {
    while (this.current.next >= this.current.end) {
      if (this.isClosed) break;
      if (!this.spare) await this.buy();
      this.turn();
    }
    if (this.isClosed) throw closed();
    return this.next();
  }

  /** Once for all who wait: the first one takes the spare segment into use. */
  private turn(): void {
    if (!this.spare || this.current.next < this.current.end) return;
    this.current = this.spare;
    this.spare = null;
    const now = this.clock.monotonic();
    if (this.usedSince !== null) {
      const lastedMs = now - this.usedSince;
      if (lastedMs < this.targetMs) this.step = Math.min(STEP.to, this.step * 2);
      else if (lastedMs > 2 * this.targetMs) this.step = Math.max(STEP.from, Math.floor(this.step / 2));
    }
    this.usedSince = now;
  }

  private buyAhead(): void {
    if (this.buying || this.clock.monotonic() < this.buyAgainAt) return;
    // Told in the warnings; whoever finds nothing left asks again.
    this.buy().catch(() => (this.buyAgainAt = this.clock.monotonic() + AGAIN_MS));
  }

  private buy(): Promise<void> {
    this.buying ??= this.bought().finally(() => (this.buying = null));
    return this.buying;
  }

  private async bought(): Promise<void> {
    const step = this.step;
    this.spare = await this.store.ask(async () => {
      const { database } = this.options;
      const [row] = await rowsOf<{ next: string }>(database, this.statement, [this.name, step]).catch(refused);
      const end = BigInt(row?.next ?? 0);
      const from = end - BigInt(step);
      return { next: from, end, buyAt: from + BigInt(step) / BUY_AT };
    });
  }
}

const OUT_OF_RANGE = '22003';

function refused(error: unknown): never {
  if (sqlState(error) !== OUT_OF_RANGE) throw error;
  const detail = 'the numbers of 63 bits are used up; begin a new segment under another name';
  throw new CodedError('TERCET_ID_UNSAFE', detail, { cause: error });
}
