/** Where a message takes effect: a TypeORM DataSource, or a pool of pg. */
import type { Executor } from '../fence/executor.js';

/** A TypeORM DataSource, as far as it is needed. */
export interface DataSourceLike<Manager extends Executor> extends Executor {
  transaction<T>(isolation: 'READ COMMITTED', work: (manager: Manager) => Promise<T>): Promise<T>;
}

interface PooledClient {
  release(broken?: boolean): void;
  on(event: 'error', listener: () => void): unknown;
  off(event: 'error', listener: () => void): unknown;
}

/** A pool of pg, as far as it is needed. */
export interface PoolLike<Client extends Executor> extends Executor {
  connect(): Promise<Client & PooledClient>;
}

/** One of the two. */
export type DatabaseOption<Manager extends Executor> =
  { dataSource: DataSourceLike<Manager>; pool?: never } | { pool: PoolLike<Manager>; dataSource?: never };

/** The handler still has the connection, and may yet write: nothing of that may be kept. */
export class HandlerTimeout extends Error {
  override readonly name = 'HandlerTimeout';

  constructor(timeoutMs: number) {
    super(`the handler did not end within ${timeoutMs} ms`);
  }
}

/** Statements of their own, and transactions. */
export interface Database<Manager extends Executor> {
  readonly executor: Executor;
  transaction<T>(work: (manager: Manager) => Promise<T>): Promise<T>;
}

export function databaseOf<Manager extends Executor>({ dataSource, pool }: DatabaseOption<Manager>): Database<Manager> {
  if (dataSource) {
    return { executor: dataSource, transaction: (work) => dataSource.transaction('READ COMMITTED', work) };
  }
  if (pool) return { executor: pool, transaction: (work) => inPool(pool, work) };
  throw new TypeError('give a dataSource (TypeORM) or a pool (pg): messages take effect in its transactions');
}

async function inPool<Client extends Executor, T>(
  pool: PoolLike<Client>,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let isBroken = false;
  // Its statement fails too; nobody listening, the event would end the process.
  const ignore = (): void => undefined;
  client.on('error', ignore);
  try {
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    isBroken = error instanceof HandlerTimeout;
    if (!isBroken) {
      await client.query('ROLLBACK').catch(() => {
        isBroken = true;
      });
    }
    throw error;
  } finally {
    client.off('error', ignore);
    client.release(isBroken);
  }
}
