/** The service's own database, as messages use it: a DataSource of TypeORM, or a pool of pg. */
import type { Executor } from '../platform/executor.js';

export type Isolation = 'READ COMMITTED' | 'REPEATABLE READ' | 'SERIALIZABLE';

/** A DataSource of TypeORM, as far as it is needed. */
export interface DataSourceLike<Manager extends Executor> extends Executor {
  transaction<T>(isolation: Isolation, work: (manager: Manager) => Promise<T>): Promise<T>;
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

/** The handler still has the connection, and may yet write: nothing of that may be kept. */
export class HandlerTimeout extends Error {
  override readonly name = 'HandlerTimeout';

  constructor(timeoutMs: number) {
    super(`the handler did not end within ${timeoutMs} ms`);
  }
}

/** One of the two. */
export type DatabaseOption<Manager extends Executor> =
  { dataSource: DataSourceLike<Manager>; pool?: never } | { pool: PoolLike<Manager>; dataSource?: never };

export interface Database<Manager extends Executor> {
  /** For statements of their own. */
  readonly executor: Executor;
  /** Commits what `work` did, or rolls back and throws what it threw. Default: READ COMMITTED. */
  transaction<T>(work: (manager: Manager) => Promise<T>, isolation?: Isolation): Promise<T>;
}

/** @throws TypeError unless it is one of the two */
export function databaseOf<Manager extends Executor>(option: DatabaseOption<Manager>): Database<Manager> {
  const { dataSource, pool } = option;
  if (dataSource) {
    // Its transaction would be a savepoint of one that nobody here sees the end of.
    if ('queryRunner' in dataSource) {
      throw new TypeError('give the DataSource itself, not the manager of an open transaction');
    }
    return {
      executor: dataSource,
      transaction: (work, isolation = 'READ COMMITTED') => dataSource.transaction(isolation, work),
    };
  }
  if (pool) return { executor: pool, transaction: (work, isolation) => inPool(pool, work, isolation) };
  throw new TypeError('give a dataSource (TypeORM) or a pool (pg): messages take effect in its transactions');
}

async function inPool<Client extends Executor, T>(
  pool: PoolLike<Client>,
  work: (client: Client) => Promise<T>,
  isolation: Isolation = 'READ COMMITTED',
): Promise<T> {
  const client = await pool.connect();
  let isBroken = false;
  // Its statement fails too; nobody listening, the event would end the process.
  const ignore = (): void => undefined;
  client.on('error', ignore);
  try {
    await client.query(`BEGIN ISOLATION LEVEL ${isolation}`);
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
