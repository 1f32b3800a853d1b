/** A connection that a relay has to itself, and makes anew after whatever went wrong. */
import type { Pool, PoolClient } from 'pg';
import { borrowed } from '../platform/borrowed.js';

/** Prepared once per connection. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/**
 * Rows are found by their keys and read in their order, always: the planner, which prepares a statement once over a
 * table that is empty now, would later read all of it, or sort the whole queue of a bucket for its first rows.
 */
const SETTINGS = `
  SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off;
  SET enable_hashjoin = off; SET enable_mergejoin = off;
  SET plan_cache_mode = force_generic_plan; SET jit = off; SET synchronous_commit = on;`;

export class Session {
  private opening: Promise<PoolClient> | null = null;
  private isClosed = false;

  /** @param limitMs no statement takes longer, whether the server says so or nobody says anything */
  constructor(
    private readonly pool: Pool,
    private readonly limitMs: number,
  ) {}

  /** One statement, committed by itself. Whatever it rejects with, the next one may work. */
  async query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    const client = await this.open();
    return this.guarded(client, async () => (await client.query<Row>({ ...statement, values: [...values] })).rows);
  }

  /** Ends the connection; nothing can be asked any more. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.opening?.then(
      (client) => this.drop(client),
      () => undefined,
    );
  }

  private open(): Promise<PoolClient> {
    if (this.isClosed) return Promise.reject(new Error('the relay was stopped'));
    if (this.opening) return this.opening;
    const opening = this.connect();
    this.opening = opening;
    opening.catch(() => {
      if (this.opening === opening) this.opening = null;
    });
    return opening;
  }

  private async connect(): Promise<PoolClient> {
    const client = await borrowed(this.pool.connect(), this.limitMs);
    // A connection that breaks while nobody asks says so here, not as an uncaught exception.
    client.on('error', () => this.drop(client));
    await this.guarded(client, () =>
      client.query(`${SETTINGS} SET statement_timeout = ${this.limitMs}; SET lock_timeout = ${this.limitMs >> 1}`),
    );
    return client;
  }

  private async guarded<T>(client: PoolClient, work: () => Promise<T>): Promise<T> {
    // The server ends a statement by itself; this is for a network that says nothing.
    const timer = setTimeout(() => this.drop(client), this.limitMs + (this.limitMs >> 1));
    try {
      return await work();
    } catch (error) {
      this.drop(client);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  private readonly dropped = new WeakSet<PoolClient>();

  private drop(client: PoolClient): void {
    if (this.dropped.has(client)) return;
    this.dropped.add(client);
    this.opening = null;
    client.release(true);
  }
}
