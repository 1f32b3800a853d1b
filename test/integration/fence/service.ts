/** A service that takes part: its own database with the fence, and each call in a transaction of its own. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { fence, installFence, TercetFence1763683200000 } from '../../../src/client/index.js';
import type { Executor, FenceAnswer, FencedCall } from '../../../src/client/index.js';
import type { Json } from '../../../src/protocol/words.js';
import { createDatabase } from '../../support/postgres.js';

export type Isolation = 'READ COMMITTED' | 'REPEATABLE READ' | 'SERIALIZABLE';

export interface Service {
  readonly url: string;
  /** Commits what `work` did, or rolls back and throws what it threw. */
  transaction: <T>(work: (executor: Executor) => Promise<T>, isolation?: Isolation) => Promise<T>;
  /** For looking on from outside. */
  readonly pool: pg.Pool;
  stop: () => Promise<void>;
}

export const KINDS = ['TypeORM', 'pg'] as const;

export async function startService(kind: (typeof KINDS)[number]): Promise<Service> {
  const { url, drop } = await createDatabase();
  const pool = poolOf(url);
  await pool.query('CREATE TABLE effect (id serial PRIMARY KEY, gid text NOT NULL, what text NOT NULL)');
  const { transaction, stop } = kind === 'TypeORM' ? await typeorm(url) : await plain(url);
  return {
    url,
    pool,
    transaction,
    stop: async () => {
      await stop();
      await pool.end();
      await drop();
    },
  };
}

type Inner = Pick<Service, 'transaction' | 'stop'>;

async function typeorm(url: string): Promise<Inner> {
  const source = new DataSource({ type: 'postgres', url, migrations: [TercetFence1763683200000] });
  await source.initialize();
  await source.runMigrations();
  return {
    transaction: (work, isolation = 'READ COMMITTED') => source.transaction(isolation, (manager) => work(manager)),
    stop: () => source.destroy(),
  };
}

/** Dropping the database may end a connection before the pool has. */
function poolOf(url: string): pg.Pool {
  return new pg.Pool({ connectionString: url }).on('error', () => undefined);
}

async function plain(url: string): Promise<Inner> {
  const pool = poolOf(url);
  const installer = await pool.connect();
  await installFence(installer);
  installer.release();
  return {
    async transaction(work, isolation = 'READ COMMITTED') {
      const client = await pool.connect();
      try {
        await client.query(`BEGIN ISOLATION LEVEL ${isolation}`);
        const result = await work(client);
        await client.query('COMMIT');
        return result;
      } catch (error) {
        await client.query('ROLLBACK');
        throw error;
      } finally {
        client.release();
      }
    },
    stop: () => pool.end(),
  };
}

export type Call = FencedCall;
/** @param kept what the try or action answered, for the work that ends it */
export type Work = (executor: Executor, call: Call, kept?: Json) => Promise<unknown>;

/** What begins a branch and what undoes it, of a TCC and of a saga. */
export const UNDOINGS = [
  ['try', 'cancel'],
  ['action', 'compensate'],
] as const;

/** A branch of a new transaction; `began` is how long ago the transaction began, in ms. */
export function branch({ agoMs = 0 } = {}): (op: Call['op']) => Call {
  const gid = randomUUID();
  const beganAt = new Date(Date.now() - agoMs).toISOString();
  return (op) => ({ gid, branchId: 'account', op, beganAt });
}

/** Leaves a trace, and answers what no repetition would answer. */
export const trace: Work = async (executor, { gid, op }) => {
  await executor.query('INSERT INTO effect (gid, what) VALUES ($1, $2)', [gid, op]);
  return { op, nonce: randomUUID() };
};

/** One call to the service. */
export function receive(service: Service, call: Call, work: Work = trace, isolation?: Isolation): Promise<FenceAnswer> {
  return service.transaction((executor) => fence.run(executor, call, (kept) => work(executor, call, kept)), isolation);
}

/** What took effect and stayed, in order. */
export async function effects({ pool }: Service, { gid }: Pick<Call, 'gid'>): Promise<string[]> {
  const { rows } = await pool.query<{ what: string }>('SELECT what FROM effect WHERE gid = $1 ORDER BY id', [gid]);
  return rows.map(({ what }) => what);
}

/** The fence's row of the branch. */
export async function recorded({ pool }: Service, { gid }: Pick<Call, 'gid'>): Promise<object | undefined> {
  const { rows } = await pool.query<object>('SELECT op, state FROM tercet_fence WHERE gid = $1', [gid]);
  return rows[0];
}

/** Resolves when so many sessions of the service wait for a lock of another. */
export async function waiting({ pool }: Service, count = 1): Promise<void> {
  for (;;) {
    const { rows } = await pool.query<{ waits: number }>(
      `SELECT count(*)::integer AS waits FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    if ((rows[0]?.waits ?? 0) >= count) return;
  }
}

export interface Held {
  /** The call has its answer, but its transaction is still open. */
  readonly entered: Promise<void>;
  /** Lets it commit; with an error, roll back. */
  leave(error?: Error): void;
  readonly answer: Promise<FenceAnswer>;
}

/** A call whose transaction stays open until it is told to end. */
export function held(service: Service, call: Call, work: Work = trace, isolation?: Isolation): Held {
  return hold(service, (executor) => fence.run(executor, call, (kept) => work(executor, call, kept)), isolation);
}

/** Something done in a transaction that stays open until it is told to end. */
export function hold<T>(
  service: Service,
  work: (executor: Executor) => Promise<T>,
  isolation?: Isolation,
): Omit<Held, 'answer'> & { answer: Promise<T> } {
  let enter = (): void => undefined;
  let leave: Held['leave'] = () => undefined;
  const entered = new Promise<void>((resolve) => (enter = resolve));
  const left = new Promise<void>((resolve, reject) => {
    leave = (error) => (error ? reject(error) : resolve());
  });
  const answer = service.transaction(async (executor) => {
    const result = await work(executor);
    enter();
    await left;
    return result;
  }, isolation);
  return { entered, leave, answer };
}
