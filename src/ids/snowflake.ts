/** Snowflakes: numbers of 63 bits that begin with the time. layout.ts has their parts, worker.ts why they do not repeat. */
import { CodedError } from '../platform/coded-error.js';
import type { Executor } from '../platform/executor.js';
import { SYSTEM_CLOCK } from '../platform/surroundings.js';
import type { Clock } from '../platform/surroundings.js';
import type { IdFacts, Ids } from './id.js';
import { encode, EPOCH_MS, LAST_MS, MAX_SEQUENCE } from './layout.js';
import { SERVICE_TABLES } from './schema.js';
import { AGAIN_MS, ASK_MS, closed, Store } from './store.js';
import { givenWorker, LeasedWorkers, RESERVED_MS } from './worker.js';
import type { Reservation, WorkerIds } from './worker.js';

export type SnowflakeOptions = { readonly clock?: Clock } & (
  | {
      /** A pool or client of pg, a DataSource of TypeORM: of the database with the tables of `installIds`. */
      readonly database: Executor;
      readonly workerId?: never;
    }
  | {
      /**
       * 0 to 1023. You promise that no other process uses it at the same time, and that the clock never shows an earlier
       * time after a restart: nothing here can check that.
       */
      readonly workerId: number;
      readonly database?: never;
    }
);

/** A clock that was set back by up to this is waited for. */
const WAIT_MS = 5;
/** By up to this: ids go on from the last timestamp. By more: another worker id is taken. */
const BORROW_MS = 2000;
const WARN_MS = 2 * 365 * 86_400_000;

/** What keeps an id from being made at this moment. */
type Obstacle =
  | { readonly kind: 'wait'; readonly ms: number }
  /** There is no reservation, or the clock has passed its end. */
  | { readonly kind: 'reserve' }
  /** The clock was set back too far for this worker id. */
  | { readonly kind: 'replace' }
  | { readonly kind: 'refuse'; readonly error: CodedError };

/** Worker ids leased in a database, or one that is given. Ids of a process rise while its clock steps back by less than 2 s. */
export function snowflake(options: SnowflakeOptions): Ids {
  const { database, workerId, clock } = options;
  const workers = database ? new LeasedWorkers(database, SERVICE_TABLES) : givenWorker(workerId);
  return new SnowflakeIds(workers, clock);
}

export class SnowflakeIds implements Ids {
  readonly kind = 'snowflake';
  private readonly store = new Store('the database');
  private reservation: Reservation | null = null;
  /** No timestamp up to this one is ours: of the reservation nothing is used while `last` is here. */
  private floor = 0;
  private last = 0;
  private sequence = MAX_SEQUENCE;
  /** What the clock showed last. */
  private seen = -Infinity;
  private reserving: Promise<void> | null = null;
  private reserveAgainAt = -Infinity;
  private pausing: Promise<void> | null = null;
  private made = 0;
  private stepsBack = 0;
  private waits = 0;
  private isClosed = false;

  constructor(
    private readonly workers: WorkerIds,
    private readonly clock: Clock = SYSTEM_CLOCK,
  ) {}

  next(): Promise<string> {
    const made = this.mint();
    return typeof made === 'string' ? Promise.resolve(made) : this.after(made);
  }

  warnings(): readonly string[] {
    const found = this.store.warnings(`this node can go on for ${Math.round((this.leftMs ?? 0) / 1000)} s`);
    const now = this.now();
    const { correctionMs = 0 } = this.reservation ?? {};
    if (correctionMs !== 0) {
      const far = `the clock of this machine is ${Math.round(Math.abs(correctionMs) / 1000)} s from that of the database`;
      found.push(`ids: ${far}, by which they go meanwhile`);
    }
    if (this.last > this.floor && this.last - now > WAIT_MS) {
      found.push(`ids: the clock was set back by ${((this.last - now) / 1000).toFixed(1)} s`);
    }
    if (now > LAST_MS - WARN_MS) {
      found.push(`ids: the time of snowflakes ends on ${new Date(LAST_MS).toISOString()}; change to another kind`);
    }
    return found;
  }

  facts(): IdFacts {
    const { made, stepsBack, waits, leftMs } = this;
    const { asked, failures } = this.store;
    return { made, asked, failures, stepsBack, waits, left: null, leftMs };
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.reserving?.catch(() => undefined);
    // Otherwise it runs out.
    await this.store.ask(() => this.workers.leave()).catch(() => undefined);
  }

  private get leftMs(): number | null {
    if (!this.workers.isReplaceable) return null;
    return Math.max(0, (this.reservation?.until ?? 0) - Math.max(this.now(), this.floor));
  }

  private now(): number {
    return this.clock.now() + (this.reservation?.correctionMs ?? 0);
  }

  private mint(): string | Obstacle {
    const { reservation, last } = this;
    if (this.isClosed) return { kind: 'refuse', error: closed() };
    if (!reservation) return { kind: 'reserve' };
    const now = this.now();
    if (now < this.seen - WAIT_MS) this.stepsBack += 1;
    this.seen = now;
    const place = now > last ? { at: now, sequence: 0 } : this.placeAfterLast(now);
    if ('kind' in place) return place;
    const { at, sequence } = place;
    if (at > reservation.until) return { kind: 'reserve' };
    if (at > LAST_MS || at < EPOCH_MS) return { kind: 'refuse', error: outOfTime(at) };
    if (at > reservation.until - RESERVED_MS / 2) this.reserveAhead();
    this.last = at;
    this.sequence = sequence;
    this.made += 1;
    return encode({ at, worker: reservation.worker, sequence });
  }

  /** Where the clock has not passed the last timestamp. */
  private placeAfterLast(now: number): { at: number; sequence: number } | Obstacle {
    const { last, floor, sequence } = this;
    const behind = last - now;
    if (behind > BORROW_MS) {
      if (last === floor) return { kind: 'wait', ms: behind - BORROW_MS };
      return this.workers.isReplaceable ? { kind: 'replace' } : { kind: 'refuse', error: setBack(behind) };
    }
    if (behind > 0 && behind <= WAIT_MS) return { kind: 'wait', ms: behind };
    if (sequence < MAX_SEQUENCE) return { at: last, sequence: sequence + 1 };
    // It is full. Moving on is for a clock that was set back; else this would run ahead of the clock.
    if (behind > 0 && behind < BORROW_MS) return { at: last + 1, sequence: 0 };
    return { kind: 'wait', ms: 1 };
  }

  private async after(obstacle: Obstacle): Promise<string> {
    for (let made: string | Obstacle = obstacle; ; made = this.mint()) {
      if (typeof made === 'string') return made;
      await this.pass(made);
    }
  }

  private pass(obstacle: Obstacle): Promise<void> {
    switch (obstacle.kind) {
      case 'refuse':
        return Promise.reject(obstacle.error);
      case 'wait':
        return this.pause(obstacle.ms);
      case 'reserve':
        return this.reserve(() => this.prolonged());
      case 'replace':
        // It may already be under way to something that will do.
        return this.reserve(() => this.replaced());
    }
  }

  private pause(ms: number): Promise<void> {
    if (ms > ASK_MS) {
      const detail = `each worker id was in use until a moment ago, and the next is free in ${Math.ceil(ms / 1000)} s`;
      return Promise.reject(new CodedError('TERCET_ID_UNAVAILABLE', `${detail}; ask again then`));
    }
    this.pausing ??= new Promise<void>((resolve) => {
      this.waits += 1;
      this.clock.after(ms, resolve);
    }).finally(() => (this.pausing = null));
    return this.pausing;
  }

  private reserveAhead(): void {
    if (this.reserving || this.clock.monotonic() < this.reserveAgainAt) return;
    // Told in the warnings; whoever comes to the end of the reservation asks again.
    this.reserve(() => this.prolonged()).catch(() => {
      this.reserveAgainAt = this.clock.monotonic() + AGAIN_MS;
    });
  }

  private reserve(how: () => Promise<void>): Promise<void> {
    this.reserving ??= how().finally(() => (this.reserving = null));
    return this.reserving;
  }

  private async prolonged(): Promise<void> {
    const { reservation } = this;
    if (!reservation) return this.replaced();
    const sentAt = this.clock.now();
    const more = await this.store.ask(() => this.workers.prolong(reservation, sentAt));
    if (!more) return this.replaced();
    if (more.from > reservation.until + 1) {
      // An answer was lost, and with it the time that comes next.
      if (more.from - 1 - (sentAt + more.correctionMs) > BORROW_MS) return this.replaced();
      this.begin(more);
    }
    this.reservation = more;
  }

  private async replaced(): Promise<void> {
    const first = await this.store.ask(() => this.workers.take(this.clock.now()));
    this.begin(first);
    this.reservation = first;
  }

  /** Nothing before it is ours. */
  private begin({ from }: Reservation): void {
    this.floor = this.last = from - 1;
    this.sequence = MAX_SEQUENCE;
  }
}

function setBack(behindMs: number): CodedError {
  const what = `the clock was set back by ${(behindMs / 1000).toFixed(1)} s, and a worker id that is given cannot be changed`;
  return new CodedError('TERCET_ID_UNSAFE', `${what}; ids go on when the clock has come to where it was`);
}

function outOfTime(at: number): CodedError {
  const [from, to] = [EPOCH_MS, LAST_MS].map((ms) => new Date(ms).toISOString());
  const what = `a snowflake can say times from ${from} to ${to}, and the clock shows ${new Date(at).toISOString()}`;
  return new CodedError('TERCET_ID_UNSAFE', `${what}; set it right, or change to another kind of id`);
}
