/** An outbox in a database of its own, its relays, and what comes out of them. */
import pg from 'pg';
import { append } from '../../../src/outbox/append.js';
import type { NewMessage } from '../../../src/outbox/append.js';
import { bucketOf } from '../../../src/outbox/message.js';
import type { Clock } from '../../../src/platform/surroundings.js';
import { Relay } from '../../../src/outbox/relay.js';
import type { RelayOptions } from '../../../src/outbox/relay.js';
import { installOutbox } from '../../../src/outbox/schema.js';
import { until } from '../../client/until.js';
import { createDatabase } from '../../support/postgres.js';
import { MemoryBroker } from './broker.js';

export const LEASE_MS = 1000;

export class Outbox {
  readonly broker = new MemoryBroker();
  readonly pool: pg.Pool;
  private readonly relays: Relay[] = [];
  private readonly pools: pg.Pool[] = [];

  private constructor(
    readonly url: string,
    private readonly drop: () => Promise<void>,
  ) {
    this.pool = this.newPool();
  }

  static async create(): Promise<Outbox> {
    const { url, drop } = await createDatabase();
    const outbox = new Outbox(url, drop);
    const client = await outbox.pool.connect();
    await installOutbox(client);
    client.release();
    return outbox;
  }

  newPool(url = this.url): pg.Pool {
    const pool = new pg.Pool({ connectionString: url }).on('error', () => undefined);
    // Of a test that failed some are still in use when the database is dropped.
    pool.on('connect', (client) => client.on('error', () => undefined));
    this.pools.push(pool);
    return pool;
  }

  /** Started, with a short lease. */
  async relay(options: Partial<RelayOptions> = {}): Promise<Relay> {
    const { pool, broker } = this;
    const relay = new Relay({ pool, producer: broker.producer, leaseMs: LEASE_MS, ...options });
    this.relays.push(relay);
    await relay.start();
    return relay;
  }

  append(...messages: NewMessage[]): Promise<string[]> {
    return append(this.pool, messages, { source: 'urn:test' });
  }

  /** A transaction that stays open until `end`. */
  async open(): Promise<{
    append: (...messages: NewMessage[]) => Promise<void>;
    end: (how: 'COMMIT' | 'ROLLBACK') => Promise<void>;
  }> {
    const client = await this.pool.connect();
    await client.query('BEGIN');
    return {
      append: async (...messages) => {
        await append(client, messages, { source: 'urn:test' });
      },
      end: async (how) => {
        await client.query(how);
        client.release();
      },
    };
  }

  async count(table = 'tercet_outbox'): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>(`SELECT count(*)::int FROM ${table}`);
    return rows[0]?.count ?? 0;
  }

  async drained(): Promise<void> {
    await until('the outbox is empty', async () => (await this.count()) === 0);
  }

  /** Buckets by the relay that owns them, as the database has it. */
  async owners(): Promise<Record<string, number>> {
    const { rows } = await this.pool.query<{ owner: string; count: number }>(
      `SELECT owner, count(*)::int FROM tercet_outbox_lease WHERE until > now() GROUP BY owner`,
    );
    return Object.fromEntries(rows.map(({ owner, count }) => [owner, count]));
  }

  /** Each relay uses as many buckets as given, and the database says the same. */
  async shared(...shares: readonly (readonly [Relay, number])[]): Promise<void> {
    await until(`the shares are ${shares.map(([, share]) => share).join(', ')}`, async () => {
      const owners = await this.owners();
      return shares.every(([{ id, status }, share]) => status.buckets.length === share && owners[id] === share);
    });
  }

  async close(): Promise<void> {
    this.broker.end();
    await Promise.all(this.relays.map((relay) => relay.stop()));
    const ended = this.pools.map((pool) => pool.end());
    await this.drop();
    await Promise.all(ended);
  }
}

/** Keys of as many different buckets, in the order of the buckets. */
export function keysApart(count: number): string[] {
  const keys = new Map<number, string>();
  for (let n = 0; keys.size < count; n += 1) {
    const key = `key-${n}`;
    const bucket = bucketOf({ key, id: '' });
    if (!keys.has(bucket)) keys.set(bucket, key);
  }
  return [...keys].sort(([a], [b]) => a - b).map(([, key]) => key);
}

/** A message whose payload is a number. */
export const numbered = (payload: number, key: string | null = 'k', topic = 't'): NewMessage => ({
  topic,
  key,
  payload,
});

/** Calls `done` with the name of each statement that a connection of the pool has been answered. */
export function watch(pool: pg.Pool, done: (name: string | undefined) => void): void {
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (statement: unknown, values?: unknown[]) => Promise<unknown>;
    client.query = (async (statement: string | { name?: string }, values?: unknown[]) => {
      const result = await query(statement, values);
      done(typeof statement === 'string' ? undefined : statement.name);
      return result;
    }) as typeof client.query;
  });
}

/** Real time, until the test moves it on: as if the process had been frozen for so long. */
export class LeapingClock implements Clock {
  private leapMs = 0;

  leap(ms: number): void {
    this.leapMs += ms;
  }

  now(): number {
    return Date.now() + this.leapMs;
  }

  monotonic(): number {
    return performance.now() + this.leapMs;
  }

  after(ms: number, run: () => void): () => void {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  }
}
