/** Transactions that write messages and commit or not, and a record of those that did. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { append } from '../../src/outbox/append.js';
import { installOutbox } from '../../src/outbox/schema.js';
import type { Random } from '../fuzz/random.js';

const KEYS = 24;
const MOST_IN_A_TRANSACTION = 4;

/** What a transaction that committed has written. */
export interface Written {
  readonly topic: string;
  readonly key: string | null;
  /** Counts the committed messages of a key. */
  readonly n: number;
  /** Of the transaction: one that was rolled back has used the same `n`. */
  readonly tx: string;
}

export class Writers {
  private constructor(
    private readonly pool: pg.Pool,
    private readonly topics: readonly string[],
  ) {}

  /** With the tables of an outbox in an empty database. */
  static async install(url: string, topics: readonly string[]): Promise<Writers> {
    const pool = new pg.Pool({ connectionString: url }).on('error', () => undefined);
    // Of a test that failed some are still in use when the database is dropped.
    pool.on('connect', (client) => client.on('error', () => undefined));
    const client = await pool.connect();
    await installOutbox(client);
    await client.query(`
      CREATE TABLE counter (key text PRIMARY KEY, n int NOT NULL DEFAULT 0);
      CREATE TABLE written (topic text NOT NULL, key text, n int NOT NULL, tx text NOT NULL);`);
    await client.query(`INSERT INTO counter (key) SELECT 'key-' || n FROM generate_series(1, ${KEYS}) n`);
    client.release();
    return new Writers(pool, topics);
  }

  /** One transaction after the other, until it is over. */
  async write(random: Random, isOver: () => boolean): Promise<void> {
    const client = await this.pool.connect();
    while (!isOver()) {
      await client.query('BEGIN');
      await this.transact(client, random);
      // Meanwhile others write, and commit before this one: ids do not become visible in their order.
      await pause(random.below(20));
      await client.query(random.in(70) ? 'COMMIT' : 'ROLLBACK');
    }
    client.release();
  }

  /** By key; those without one under null, in any order. */
  async committed(): Promise<Map<string | null, Written[]>> {
    const { rows } = await this.pool.query<Written>('SELECT topic, key, n, tx FROM written ORDER BY n');
    const byKey = new Map<string | null, Written[]>();
    for (const row of rows) byKey.set(row.key, [...(byKey.get(row.key) ?? []), row]);
    return byKey;
  }

  async waiting(): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>('SELECT count(*)::int FROM tercet_outbox');
    return rows[0]?.count ?? 0;
  }

  close(): Promise<void> {
    return this.pool.end();
  }

  private async transact(client: pg.PoolClient, random: Random): Promise<void> {
    const tx = randomUUID();
    const numbers = new Set(Array.from({ length: 1 + random.below(MOST_IN_A_TRANSACTION) }, () => random.below(KEYS)));
    // In one order, so that transactions wait for each other and not in a circle. Number 0 stands for no key.
    for (const number of [...numbers].sort((a, b) => a - b)) {
      const key = number === 0 ? null : `key-${number}`;
      const topic = this.topics[number % this.topics.length] ?? '';
      // The row is locked until the end: the writers of a key come one after the other.
      const counted = await client.query<{ n: number }>('UPDATE counter SET n = n + 1 WHERE key = $1 RETURNING n', [
        key,
      ]);
      const n = counted.rows[0]?.n ?? 0;
      await append(client, [{ topic, key, payload: { n, tx } }], { source: 'urn:test' });
      await client.query('INSERT INTO written (topic, key, n, tx) VALUES ($1, $2, $3, $4)', [topic, key, n, tx]);
    }
  }
}
