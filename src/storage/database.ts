/** Connections to PostgreSQL, and what their troubles mean to whoever asked. */
import pg from 'pg';
import type { Logger } from '../engine/ports.js';
import { LogOutcomeUnknown, LogUnavailable } from '../engine/ports.js';

const CONNECT_TIMEOUT_MS = 3000;
const KEEP_ALIVE_MS = 10_000;

/** The session was refused or ended by the server: SQLSTATE classes. */
const CONNECTION_STATES = /^(08|57P0|53[13])/;
/** The statement was read, understood and refused because of what it carried. */
const DATA_STATES = /^(22|23|54)/;
/** It met another one in the wrong order, and may be repeated. */
const COLLISION_STATES = /^40/;
const LOCK_WAIT_STATE = '55P03';
const TOO_SLOW_STATE = '57014';

export interface DatabaseSettings {
  readonly url: string;
  /** No statement takes longer than half of this, so that a frozen neighbour holds nobody up for a lease. */
  readonly leaseMs: number;
  /** Of the lane `log`; default 8. */
  readonly connections?: number;
}

/**
 * The flush finds its rows by their keys, always. Left to itself the planner, which prepares it once over tables
 * that may still be empty, reads the whole table for each flush until the next ANALYZE.
 */
const BY_KEY = { enable_seqscan: 'off', enable_hashjoin: 'off', enable_mergejoin: 'off' };
/** The same for what is read by a gid: a table that is nearly empty now has been, and will be, a hundred times as long. */
const BY_INDEX = { enable_seqscan: 'off' };

/**
 * Connections by what may not wait for what: the group commit has one to itself, which soon gives up on a row that
 * somebody else holds; renewing the lease has one; lists, which may read much, have two; all else shares the rest.
 * Heartbeats of instances have one too, which does not wait for the disk.
 */
const LANES = {
  log: { connections: 8, lockShare: 0.8, session: BY_INDEX },
  flush: { connections: 1, lockShare: 0.1, session: BY_KEY },
  lease: { connections: 1, lockShare: 0.8, session: {} },
  list: { connections: 2, lockShare: 0.8, session: {} },
  beat: { connections: 1, lockShare: 0.8, session: { synchronous_commit: 'off' } },
} as const;
export type Lane = keyof typeof LANES;

const limitOf = (leaseMs: number): number => Math.max(100, Math.floor(leaseMs / 2));
const lockMs = (lane: Lane, leaseMs: number): number => Math.floor(limitOf(leaseMs) * LANES[lane].lockShare);

/** How long a flush waits for a lock. */
export function flushLockMs(leaseMs: number): number {
  return lockMs('flush', leaseMs);
}

function poolOf(lane: Lane, { url, leaseMs, connections }: DatabaseSettings): pg.Pool {
  const limitMs = limitOf(leaseMs);
  const { session } = LANES[lane];
  const settings = {
    synchronous_commit: 'on',
    // What is read after a lock was waited for must be newer than the lock: the work gate lives by that.
    default_transaction_isolation: 'read\\ committed',
    statement_timeout: String(limitMs),
    lock_timeout: String(lockMs(lane, leaseMs)),
    idle_in_transaction_session_timeout: String(limitMs),
    timezone: 'UTC',
    // Compiling a statement takes longer than any of these runs.
    jit: 'off',
    ...session,
  };
  return new pg.Pool({
    connectionString: url,
    application_name: `tercet ${lane}`,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    // The server's own limit comes first; this one is for a server, or a network, that says nothing at all.
    query_timeout: limitMs * 2,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    options: Object.entries(settings)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
    max: (lane === 'log' ? connections : undefined) ?? LANES[lane].connections,
    idleTimeoutMillis: lane === 'log' || lane === 'list' ? 30_000 : 0,
  });
}

/** What the connections of one lane do: used, idle, and how many statements wait for one. */
export interface PoolUse {
  readonly used: number;
  readonly idle: number;
  readonly waiting: number;
}

export class Database {
  private readonly pools: Readonly<Record<Lane, pg.Pool>>;

  constructor(settings: DatabaseSettings, logger: Logger) {
    this.pools = {
      log: poolOf('log', settings),
      flush: poolOf('flush', settings),
      lease: poolOf('lease', settings),
      list: poolOf('list', settings),
      beat: poolOf('beat', settings),
    };
    for (const pool of Object.values(this.pools)) {
      pool.on('error', (error) => logger.warn({ error: error.message }, 'an idle database connection broke'));
    }
  }

  /** What the connections do at this moment, by lane. */
  get use(): Record<Lane, PoolUse> {
    const of = ({ totalCount, idleCount: idle, waitingCount: waiting }: pg.Pool): PoolUse => {
      return { used: totalCount - idle, idle, waiting };
    };
    const { log, flush, lease, list, beat } = this.pools;
    return { log: of(log), flush: of(flush), lease: of(lease), list: of(list), beat: of(beat) };
  }

  /**
   * One statement that only reads; prepared once per connection if it has a name.
   *
   * @throws LogUnavailable, or DatabaseError: refused for what it carried
   */
  async read<R extends pg.QueryResultRow>(
    statement: string | { name: string; text: string },
    values: unknown[] = [],
    lane: Lane = 'log',
  ): Promise<R[]> {
    const query = typeof statement === 'string' ? { text: statement } : statement;
    try {
      return (await this.pools[lane].query<R>({ ...query, values })).rows;
    } catch (error) {
      throw isDataError(error) ? error : unavailable(error);
    }
  }

  /**
   * One statement, committed by itself; prepared once per connection if it has a name.
   *
   * @throws LogUnavailable: not written; LogOutcomeUnknown: not known; DatabaseError: refused for what it carried
   */
  write<R extends pg.QueryResultRow>(
    statement: { name?: string; text: string; values: unknown[] },
    lane: Lane = 'log',
  ): Promise<R[]> {
    return this.using(lane, async (client) => (await client.query<R>(statement)).rows);
  }

  /** Several statements in one transaction; rolled back if `work` throws. @throws as `write` does */
  inTransaction<T>(work: (client: pg.PoolClient) => Promise<T>, lane: Lane = 'log'): Promise<T> {
    return this.using(lane, async (client) => {
      await client.query('BEGIN');
      try {
        const result = await work(client);
        await client.query('COMMIT');
        return result;
      } catch (error) {
        if (!isConnectionTrouble(error)) await client.query('ROLLBACK');
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.pools).map((pool) => pool.end()));
  }

  private async using<T>(lane: Lane, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    let client: pg.PoolClient;
    try {
      client = await this.pools[lane].connect();
    } catch (error) {
      throw unavailable(error);
    }
    let broken: Error | undefined;
    // A connection that breaks while nobody waits for its answer says so here, not as an uncaught exception.
    const note = (error: Error): void => {
      broken = error;
    };
    client.on('error', note);
    try {
      return await work(client);
    } catch (error) {
      if (isDataError(error)) throw error;
      if (!isConnectionTrouble(error)) throw unavailable(error);
      broken = error as Error;
      throw new LogOutcomeUnknown(`the database went away: ${(error as Error).message}`, { cause: error });
    } finally {
      client.off('error', note);
      client.release(broken);
    }
  }
}

/** The statement was refused because of what one of its rows carried. */
export function isDataError(error: unknown): error is pg.DatabaseError {
  return DATA_STATES.test(sqlState(error));
}

/** Two flushes, or a flush and a take-over, met in the wrong order: nothing was written, and it may be repeated. */
export function isCollision(error: unknown): boolean {
  return error instanceof LogUnavailable && COLLISION_STATES.test(sqlState(error.cause));
}

/** Somebody else held one of the rows for too long. */
export function isLockWait(error: unknown): boolean {
  return error instanceof LogUnavailable && sqlState(error.cause) === LOCK_WAIT_STATE;
}

/** It took longer than a statement may. */
export function isTooSlow(error: unknown): boolean {
  return error instanceof LogUnavailable && sqlState(error.cause) === TOO_SLOW_STATE;
}

function sqlState(error: unknown): string {
  return error instanceof pg.DatabaseError ? (error.code ?? '') : '';
}

function isConnectionTrouble(error: unknown): boolean {
  // What the server did not send is of the connection: refused, reset, timed out.
  return !(error instanceof pg.DatabaseError) || CONNECTION_STATES.test(error.code ?? '');
}

function unavailable(error: unknown): LogUnavailable {
  const { message } = error as Error;
  const what = error instanceof pg.DatabaseError ? 'the database refuses' : 'the database does not answer';
  return new LogUnavailable(`${what}: ${message}`, { cause: error });
}
