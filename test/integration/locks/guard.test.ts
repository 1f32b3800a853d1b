/** The guarded write, between real sessions: who has the lock now, who had it before, and who comes next. */
import pg from 'pg';
import { DataSource } from 'typeorm';
import { guard } from '../../../src/locks/guard.js';
import type { FencingToken } from '../../../src/locks/lock.js';
import { PostgresLocks } from '../../../src/locks/postgres.js';
import { installLocks } from '../../../src/locks/schema.js';
import { within } from '../../../src/platform/within.js';
import { until } from '../../client/until.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { got, wish } from './wish.js';

const OLD = { code: 'TERCET_LOCK_TOKEN_OLD' };
const REPEATABLE = 'BEGIN ISOLATION LEVEL REPEATABLE READ';

let database: TestDatabase;
let pool: pg.Pool;
let locks: PostgresLocks;
/** Of whoever writes. */
let client: pg.PoolClient;

beforeAll(async () => {
  database = await createDatabase();
  // What waits for a lock that nobody gives back says so.
  pool = new pg.Pool({ connectionString: database.url, max: 20, statement_timeout: 30_000 });
  client = await pool.connect();
  await installLocks(client);
  await client.query('CREATE TABLE stock (count int NOT NULL)');
  locks = new PostgresLocks({ pool });
});

beforeEach(async () => {
  // Of a test that failed.
  await client.query('ROLLBACK');
  await client.query('TRUNCATE stock; INSERT INTO stock VALUES (10); TRUNCATE tercet_lock');
});

afterAll(async () => {
  await locks.close();
  client.release();
  await pool.end();
  await database.drop();
});

const stock = async (): Promise<unknown> =>
  (await pool.query<{ count: number }>('SELECT count FROM stock')).rows[0]?.count;
const held = async (): Promise<{ name: string; token: FencingToken }> => ({
  name: 'a',
  token: await got(locks, wish('a', 'first')),
});
/** As if its time were over, without the time. */
const expire = (): Promise<unknown> => pool.query(`UPDATE tercet_lock SET until = clock_timestamp() - interval '1 s'`);
const waits = (): Promise<void> =>
  until('a session waits for a lock', async () => {
    const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    return (await pool.query(waiting)).rows.length > 0;
  });

async function write(lock: { name: string; token: FencingToken }, begin = 'BEGIN'): Promise<void> {
  await client.query(begin);
  try {
    await client.query('UPDATE stock SET count = count - 1');
    await guard(client, lock);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

test('who has the lock writes, also when it was renewed, and when it ended and nobody took it', async () => {
  const lock = await held();
  await write(lock);
  expect(await locks.renew(wish('a', 'first'))).toBe(true);
  await write(lock);
  await expire();
  await write(lock);
  expect(await stock()).toBe(7);
});

test.each(['BEGIN', REPEATABLE, 'BEGIN ISOLATION LEVEL SERIALIZABLE'])(
  'once somebody else has got the lock, the old token changes no row: %s',
  async (begin) => {
    const lock = await held();
    await expire();
    const next = { name: 'a', token: await got(locks, wish('a', 'second')) };
    await expect(write(lock, begin)).rejects.toMatchObject(OLD);
    expect(await stock()).toBe(10);
    await write(next, begin);
    expect(await stock()).toBe(9);
  },
);

test('a token of another lock, or of none, guards nothing', async () => {
  const { token } = await held();
  await expect(write({ name: 'b', token })).rejects.toMatchObject(OLD);
  await expect(write({ name: 'a', token: (token + 1) as FencingToken })).rejects.toMatchObject(OLD);
  await locks.seize('a');
  await expect(write({ name: 'a', token })).rejects.toMatchObject(OLD);
});

test('a row that was swept and made anew does not let the old token in', async () => {
  const lock = await held();
  await pool.query('DELETE FROM tercet_lock');
  await expect(write(lock)).rejects.toMatchObject(OLD);
  const token = await got(locks, wish('a', 'second'));
  expect(token).toBeGreaterThan(lock.token);
  await expect(write(lock)).rejects.toMatchObject(OLD);
});

test('while a guarded write is under way the lock is renewed and given back at once, and nobody else gets it', async () => {
  const lock = await held();
  await client.query('BEGIN');
  await guard(client, lock);
  expect(await locks.renew(wish('a', 'first'))).toBe(true);
  await expire();
  expect(await locks.acquire(wish('a', 'second'))).toEqual({ heldForMs: 50 });
  await pool.query(`UPDATE tercet_lock SET until = clock_timestamp() + interval '1 min'`);
  expect(await locks.release({ name: 'a', owner: 'first' })).toBe(true);
  expect(await locks.acquire(wish('a', 'second'))).toEqual({ heldForMs: 50 });
  await guard(client, lock);
  await client.query('COMMIT');
  expect(await got(locks, wish('a', 'second'))).toBeGreaterThan(lock.token);
});

test('whoever wants the lock does not wait for a guarded write, but is told at once', async () => {
  const lock = await held();
  await locks.release(wish('a', 'first'));
  await client.query('BEGIN');
  await guard(client, lock);
  // It would wait for a row for half as long as the database may take.
  const patient = new PostgresLocks({ pool, limitMs: 120_000 });
  const late = (): Error => new Error('it waits for the guarded write');
  const attempt = await within(20_000, patient.acquire(wish('a', 'second', 600_000)), late);
  expect(attempt).toEqual({ heldForMs: 50 });
  await client.query('ROLLBACK');
});

test('who is parted from the lock by force while he writes may end that one write', async () => {
  const lock = await held();
  await client.query('BEGIN');
  await guard(client, lock);
  expect(await locks.seize('a')).toMatchObject({ owner: 'first', token: lock.token });
  expect(await locks.renew(wish('a', 'first'))).toBe(false);
  expect(await locks.acquire(wish('a', 'second'))).toEqual({ heldForMs: 50 });
  await client.query('COMMIT');
  await got(locks, wish('a', 'second'));
  await expect(write(lock)).rejects.toMatchObject(OLD);
});

test('who guards while the lock changes hands waits, and then it is too late', async () => {
  const lock = await held();
  const taker = await pool.connect();
  let writing: Promise<void>;
  try {
    await taker.query('BEGIN');
    // By hand, with no lock taken before: that the token is a key is what holds up the guard.
    await taker.query(`UPDATE tercet_lock SET token = nextval('tercet_lock_token'), owner = 'second'`);
    writing = expect(write(lock)).rejects.toMatchObject(OLD);
    writing.catch(() => undefined);
    await waits();
    await taker.query('COMMIT');
  } finally {
    taker.release(true);
  }
  await writing;
  expect(await stock()).toBe(10);
});

test('who takes the lock by hand waits for the guarded write', async () => {
  const lock = await held();
  await client.query('BEGIN');
  await guard(client, lock);
  const taking = pool.query(`UPDATE tercet_lock SET token = nextval('tercet_lock_token')`);
  await waits();
  await client.query('UPDATE stock SET count = 0');
  await client.query('COMMIT');
  await taking;
  await expect(write(lock)).rejects.toMatchObject(OLD);
  expect(await stock()).toBe(0);
});

test('a transaction that began before the lock changed hands does not overlook it: REPEATABLE READ', async () => {
  const lock = await held();
  await client.query(REPEATABLE);
  await client.query('SELECT FROM stock');
  // That it was renewed is no reason.
  await locks.renew(wish('a', 'first'));
  await guard(client, lock);
  await client.query('ROLLBACK');

  await client.query(REPEATABLE);
  await client.query('SELECT FROM stock');
  await locks.renew(wish('a', 'first'));
  await expire();
  await got(locks, wish('a', 'second'));
  await expect(guard(client, lock)).rejects.toMatchObject({ code: '40001' });
  await client.query('ROLLBACK');
});

test('a savepoint that is rolled back takes the guard with it, one that is released does not', async () => {
  const lock = await held();
  await client.query('BEGIN; SAVEPOINT one');
  await guard(client, lock);
  await client.query('RELEASE one');
  await expire();
  expect(await locks.acquire(wish('a', 'second'))).toEqual({ heldForMs: 50 });
  await client.query('COMMIT');

  await client.query('BEGIN; SAVEPOINT one');
  await guard(client, lock);
  await client.query('ROLLBACK TO one');
  await got(locks, wish('a', 'second'));
  await expect(guard(client, lock)).rejects.toMatchObject(OLD);
  await client.query('ROLLBACK');
});

test('with TypeORM: in a transaction, in one inside it, and not without', async () => {
  const source = await new DataSource({ type: 'postgres', url: database.url }).initialize();
  const lock = await held();
  await source.transaction(async (manager) => {
    await manager.transaction(async (inner) => {
      await guard(inner, lock);
      await inner.query('UPDATE stock SET count = count - 1');
    });
    await expire();
    expect(await locks.acquire(wish('a', 'second'))).toEqual({ heldForMs: 50 });
  });
  await got(locks, wish('a', 'second'));
  const late = source.transaction(async (manager) => {
    await manager.query('UPDATE stock SET count = count - 1');
    await guard(manager, lock);
  });
  await expect(late).rejects.toMatchObject(OLD);
  expect(await stock()).toBe(9);
  await source.destroy();
});

test('without an open transaction it guards nothing, and says so', async () => {
  const source = await new DataSource({ type: 'postgres', url: database.url }).initialize();
  const lock = await held();
  for (const executor of [pool, client, source.manager]) {
    await expect(guard(executor, lock)).rejects.toThrow('there is no open transaction');
  }
  await source.destroy();
});
