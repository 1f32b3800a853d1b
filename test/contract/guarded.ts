/** A database with something that a lock guards. */
import pg from 'pg';
import { CodedError } from '../../src/platform/coded-error.js';
import { guard } from '../../src/locks/guard.js';
import type { FencingToken } from '../../src/locks/lock.js';
import { installLocks } from '../../src/locks/schema.js';

export class Guarded {
  private readonly pools: pg.Pool[] = [];

  private constructor(private readonly url: string) {}

  static async install(url: string): Promise<Guarded> {
    const guarded = new Guarded(url);
    const client = await guarded.pool().connect();
    await installLocks(client);
    await client.query(
      'CREATE TABLE written (id bigint GENERATED ALWAYS AS IDENTITY, name text NOT NULL, token bigint NOT NULL)',
    );
    client.release();
    return guarded;
  }

  /** One more, as another process has it. */
  pool(): pg.Pool {
    const pool = new pg.Pool({ connectionString: this.url });
    pool.on('error', () => undefined);
    this.pools.push(pool);
    return pool;
  }

  /** Whether the token let it through. */
  async write(name: string, token: FencingToken): Promise<boolean> {
    const client = await this.pools[0]!.connect();
    let isFit = false;
    try {
      await client.query('BEGIN');
      await client.query('INSERT INTO written (name, token) VALUES ($1, $2)', [name, token]);
      await guard(client, { name, token });
      await client.query('COMMIT');
      isFit = true;
      return true;
    } catch (error) {
      if (error instanceof CodedError && error.code === 'TERCET_LOCK_TOKEN_OLD') return false;
      throw error;
    } finally {
      client.release(!isFit);
    }
  }

  /** Whose writes are there, in their order. */
  async tokens(name: string): Promise<number[]> {
    const text = 'SELECT token::float8 AS token FROM written WHERE name = $1 ORDER BY id';
    return (await this.pools[0]!.query<{ token: number }>(text, [name])).rows.map(({ token }) => token);
  }

  async close(): Promise<void> {
    await Promise.all(this.pools.map((pool) => pool.end()));
  }
}
