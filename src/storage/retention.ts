/**
 * Looks after history: partitions ahead, and out with what ended long enough ago. One node at a time, which the lock sees
 * to, and where the lock errs the token: nothing is taken out or dropped but in a transaction that it guards. Nodes of
 * versions before the lock had an advisory one; beside this they do no harm, since each step is found done or is refused
 * (a partition that exists, is detached, is dropped), and tried again later.
 */
import pg from 'pg';
import type { Clock, Logger } from '../engine/ports.js';
import type { Held } from '../locks/held.js';
import type { Locks } from '../locks/locks.js';
import { CodedError } from '../platform/coded-error.js';
import { flushLockMs } from './database.js';
import { guardedBy } from './guarded.js';
import { DAY_MS, detach, detached, drop, dropReleases, dropRows, makeAhead } from './partitions.js';

const HOUR_MS = 3_600_000;
/** After a run that could not do all, for instance because somebody reads for long what is to go. */
const AGAIN_MS = 300_000;
const CONNECT_MS = 3000;
const STATEMENT_MS = 10_000;
/** A server that is frozen does not answer a goodbye. */
const END_MS = 1000;
/** Who waits for a lock holds up everybody behind him. */
const LOCK_MS = 100;
/** Between two statements of a guarded transaction: what a process that freezes there has locked is free then. */
const IDLE_MS = 500;
const LOCK = 'tercet.retention';

const LOCKED = '55P03';
const TOO_SLOW = '57014';
const NO_RIGHT = '42501';

export interface RetentionSettings {
  readonly url: string;
  readonly leaseMs: number;
  /** How long a transaction is kept after its end. */
  readonly days: () => number;
}

export class Retention {
  /** While it is connected. */
  private client: pg.Client | null = null;
  private cancel: (() => void) | null = null;
  private running: Promise<unknown> = Promise.resolve();
  private isStopped = false;

  constructor(
    private readonly settings: RetentionSettings,
    private readonly locks: Pick<Locks<'correctness'>, 'attempt'>,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** Runs now, and then about every hour. Nobody waits for it. */
  start(): void {
    this.running = this.run().then((isDone) => {
      if (this.isStopped) return;
      const pauseMs = (isDone ? HOUR_MS : AGAIN_MS) * (0.75 + Math.random() / 2);
      this.cancel = this.clock.after(pauseMs, () => this.start());
    });
  }

  /** Breaks off what is under way; the next run, anywhere, goes on from there. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.cancel?.();
    if (this.client) await end(this.client);
    await this.running;
  }

  /** Resolves to false if a run a little later may manage what this one did not; never rejects. */
  async run(): Promise<boolean> {
    try {
      const held = await this.locks.attempt(LOCK);
      // Somebody else is at it.
      if (!held) return true;
      try {
        return await this.runUnder(held);
      } finally {
        await held.release();
      }
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      this.failed(error.detail);
      return false;
    }
  }

  private async runUnder(held: Held<'correctness'>): Promise<boolean> {
    // Shorter than a flush waits before it is taken apart.
    const lockMs = Math.min(LOCK_MS, Math.floor(flushLockMs(this.settings.leaseMs) / 2));
    const client = new pg.Client({
      connectionString: this.settings.url,
      application_name: 'tercet retention',
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: STATEMENT_MS * 2,
      keepAlive: true,
      options: [
        `-c timezone=UTC -c datestyle=ISO -c statement_timeout=${STATEMENT_MS} -c lock_timeout=${lockMs}`,
        `-c idle_in_transaction_session_timeout=${IDLE_MS}`,
      ].join(' '),
    });
    let broken: unknown;
    client.on('error', (error) => {
      broken = error;
    });
    const breakOff = (): void => void end(client);
    held.signal.addEventListener('abort', breakOff);
    try {
      await client.connect();
      if (this.isStopped) return false;
      this.client = client;
      return await this.lookAfter(client, held);
    } catch (error) {
      this.failed(String(broken ?? error));
      return false;
    } finally {
      held.signal.removeEventListener('abort', breakOff);
      this.client = null;
      await end(client);
    }
  }

  private failed(error: string): void {
    if (!this.isStopped) this.logger.warn({ error }, 'history could not be looked after; it is tried again');
  }

  private async lookAfter(client: pg.Client, held: Held<'correctness'>): Promise<boolean> {
    const guarded = guardedBy(client, held);
    const days = this.settings.days();
    const now = await this.now(client);
    const horizon = now - days * DAY_MS;
    const done = [
      await this.attempt(async () => {
        const partitions = await makeAhead(client, now, days);
        if (partitions.length > 0) this.logger.info({ partitions }, 'history has new partitions');
      }),
      await this.attempt(() => detach(client, horizon, guarded)),
      await this.attempt(async () => {
        for (const partition of await detached(client)) this.dropped(await drop(client, partition, guarded), partition);
      }),
      await this.attempt(async () => this.dropped(await dropRows(client, horizon, guarded), 'history_default')),
      await this.attempt(() => dropReleases(client, horizon, guarded)),
    ];
    return done.every((each) => each);
  }

  /** ms, by the database: what is dropped because the clock of one machine is wrong does not come back. */
  protected async now(client: pg.Client): Promise<number> {
    const { rows } = await client.query<{ now: Date }>('SELECT now()');
    const [row] = rows;
    if (!row) throw new Error('the database does not say what time it is');
    return row.now.getTime();
  }

  /** What one step may not do, or must not wait for, keeps none of the others from being done. */
  private async attempt(step: () => Promise<void>): Promise<boolean> {
    try {
      await step();
      return true;
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (code === TOO_SLOW)
        this.logger.warn({ error: message }, 'a part of history takes too long; it is tried again');
      else if (code === LOCKED) this.logger.info({ error: message }, 'history is in use; it is looked after later');
      else if (code === NO_RIGHT) {
        const remedy =
          'history is not looked after: make the database user a member of the role that owns tercet.history';
        this.logger.warn({ error: message }, remedy);
      } else throw error;
      return code === NO_RIGHT;
    }
  }

  private dropped(transactions: number, partition: string): void {
    if (transactions === 0 && partition === 'history_default') return;
    this.logger.info({ partition, transactions, days: this.settings.days() }, 'history was dropped by its age');
  }
}

async function end(client: pg.Client): Promise<void> {
  const timer = setTimeout(() => client.connection.stream.destroy(), END_MS);
  await client.end().catch(() => undefined);
  clearTimeout(timer);
}
