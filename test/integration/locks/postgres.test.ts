/** Locks in PostgreSQL where the network, the server or its settings are bad. What every store does: test/contract. */
import pg from 'pg';
import { PostgresLocks } from '../../../src/locks/postgres.js';
import { installLocks, LOCK_TABLE, lockTablesOf, TercetLocks1763769600001 } from '../../../src/locks/schema.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { until } from '../../client/until.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { Proxy } from '../../support/proxy.js';
import { got, wish } from './wish.js';

const AWAY = { code: 'TERCET_LOCK_UNAVAILABLE' };

let database: TestDatabase;
let pool: pg.Pool;
let locks: PostgresLocks;

const open = (url: string, settings: pg.PoolConfig = {}): pg.Pool => {
  const opened = new pg.Pool({ connectionString: url, ...settings });
  opened.on('error', () => undefined);
  return opened;
};
const ask = async (statement: string): Promise<Record<string, unknown>[]> =>
  (await pool.query<Record<string, unknown>>(statement)).rows;

beforeEach(async () => {
  database = await createDatabase();
  pool = open(database.url);
  const client = await pool.connect();
  await installLocks(client);
  await installLocks(client);
  client.release();
  locks = new PostgresLocks({ pool });
});

afterEach(async () => {
  await locks.close();
  await pool.end();
  await database.drop();
});

test("a service's own table is that of the coordinator, and its migration undoes what it did", async () => {
  await prepareDatabase(database.url, 'auto', { info() {}, warn() {}, error() {} });
  const shape = (table: string): Promise<unknown> =>
    ask(`SELECT c.reloptions, attname, attnotnull, attcollation, format_type(atttypid, atttypmod) AS type,
                (SELECT json_agg(pg_get_constraintdef(k.oid) ORDER BY contype) FROM pg_constraint k
                  WHERE k.conrelid = c.oid AND contype <> 'n') AS keys,
                (SELECT s.seqcache FROM pg_sequence s WHERE seqrelid = to_regclass('${table}_token')) AS cache
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0
          WHERE c.oid = to_regclass('${table}') ORDER BY attnum`);
  expect(await shape(LOCK_TABLE)).toHaveLength(6);
  expect(await shape(LOCK_TABLE)).toEqual(await shape('tercet.lock'));
  await new TercetLocks1763769600001().down(pool);
  expect(await shape(LOCK_TABLE)).toEqual([]);
  await new TercetLocks1763769600001().up(pool);
  await got(locks, wish('a', 'first'));
  await got(new PostgresLocks({ pool, table: 'tercet.lock' }), wish('a', 'first'));
});

test('a table that is missing is named, with what to do', async () => {
  const missing = new PostgresLocks({ pool, table: 'nowhere.lock' });
  await expect(missing.acquire(wish('a', 'first'))).rejects.toMatchObject({
    ...AWAY,
    detail: expect.stringMatching(/nowhere\.lock.*installLocks/) as string,
  });
  expect(() => lockTablesOf('a"b')).toThrow(RangeError);
});

test('a lock whose answer got lost is undone', async () => {
  await got(locks, wish('a', 'first'));
  await locks.release(wish('a', 'first'));
  const proxy = await Proxy.start(database.url);
  const far = open(proxy.url);
  const remote = new PostgresLocks({ pool: far });
  proxy.loseAnswerTo('nextval');
  await expect(remote.acquire(wish('a', 'second'))).rejects.toMatchObject(AWAY);
  await until(
    'it is free again',
    async () => (await ask(`SELECT FROM tercet_lock WHERE until <> '-infinity'`)).length === 0,
  );
  expect(await ask('SELECT owner FROM tercet_lock')).toEqual([{ owner: 'second' }]);
  await remote.close();
  await far.end();
  await proxy.stop();
});

test('a network that says nothing ends every request in time', async () => {
  const proxy = await Proxy.start(database.url);
  const far = open(proxy.url);
  const remote = new PostgresLocks({ pool: far, limitMs: 200 });
  await got(remote, wish('a', 'first'));
  proxy.silence();
  await expect(remote.renew(wish('a', 'first'))).rejects.toMatchObject(AWAY);
  await expect(remote.acquire(wish('b', 'first'))).rejects.toMatchObject(AWAY);
  await expect(remote.show('a')).rejects.toMatchObject(AWAY);
  proxy.heal();
  await until('it answers again', () => remote.renew(wish('a', 'first')).catch(() => false));
  await remote.close();
  await far.end();
  await proxy.stop();
});

test('a connection pool that is used up is no reason to wait longer', async () => {
  const small = open(database.url, { max: 1 });
  const taken = await small.connect();
  const remote = new PostgresLocks({ pool: small, limitMs: 50 });
  await expect(remote.acquire(wish('a', 'first'))).rejects.toMatchObject(AWAY);
  taken.release();
  await got(remote, wish('a', 'first'));
  // It listens to nothing: that would take the only connection.
  remote.watch('a', () => undefined);
  expect(await remote.show('a')).toMatchObject({ owner: 'first' });
  await small.end();
});

test.each(['repeatable read', 'serializable'])(
  'contenders whose transactions are %s get it one by one',
  async (level) => {
    const strict = open(database.url, {
      max: 10,
      options: `-c default_transaction_isolation=${level.replace(' ', '\\ ')}`,
    });
    const remote = new PostgresLocks({ pool: strict });
    const tokens: number[] = [];
    const contend = async (owner: string): Promise<void> => {
      await until(`${owner} has it`, async () => {
        const attempt = await remote.acquire(wish('a', owner));
        if ('token' in attempt) tokens.push(attempt.token);
        return 'token' in attempt;
      });
      await until(`${owner} gave it back`, () => remote.release(wish('a', owner)).catch(() => false));
    };
    await Promise.all(Array.from({ length: 10 }, (_each, index) => contend(`owner ${index}`)));
    expect(tokens).toHaveLength(10);
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
    await remote.close();
    await strict.end();
  },
);

test('tokens of a lock rise also where its row goes and comes between two holders', async () => {
  const tokens: number[] = [];
  const contend = async (owner: string): Promise<void> => {
    for (let round = 0; round < 20; round += 1) {
      const attempt = await locks.acquire(wish('a', `${owner} ${round}`));
      if (!('token' in attempt)) continue;
      tokens.push(attempt.token);
      await pool.query('DELETE FROM tercet_lock');
    }
  };
  await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(contend));
  expect(tokens.length).toBeGreaterThan(2);
  expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
});

test('what was not used for long is swept when a new name comes, and what is held is not', async () => {
  for (const name of ['old', 'held']) await got(locks, wish(name, 'first'));
  await locks.release(wish('old', 'first'));
  await pool.query(`UPDATE tercet_lock SET since = since - interval '1 hour'`);
  await got(new PostgresLocks({ pool }), wish('new', 'first'));
  await until('it is swept', async () => (await ask(`SELECT FROM tercet_lock WHERE name = 'old'`)).length === 0);
  expect(await ask('SELECT name FROM tercet_lock ORDER BY name')).toEqual([{ name: 'held' }, { name: 'new' }]);
});

test('one connection listens while somebody waits, is opened anew when it breaks, and goes when nobody waits', async () => {
  const listening = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'`;
  let wakes = 0;
  const stop = locks.watch('a', () => (wakes += 1));
  const stopOther = locks.watch('b', () => undefined);
  await until('it listens', async () => Promise.resolve(wakes === 1));
  const [first] = await ask(listening);
  expect(await ask(listening)).toHaveLength(1);
  await ask(`SELECT pg_terminate_backend(${String(first?.['pid'])})`);
  await until('it listens again', async () => Promise.resolve(wakes === 2));
  await got(locks, wish('a', 'first'));
  await locks.release(wish('a', 'first'));
  await until('it heard that', async () => Promise.resolve(wakes === 3));
  stop();
  stopOther();
  await until('it went', async () => (await ask(listening)).length === 0);
});

test('where the clock of the database is set, locks end early or late, and old tokens stay old', async () => {
  const first = await got(locks, wish('a', 'first'));
  // As if an hour were skipped.
  await pool.query(`UPDATE tercet_lock SET since = since - interval '1 hour', until = until - interval '1 hour'`);
  const second = await got(locks, wish('a', 'second'));
  expect(second).toBeGreaterThan(first);
  expect(await locks.renew(wish('a', 'first'))).toBe(false);
  // As if it came twice: the renewal puts that right, and else a person may.
  await pool.query(`UPDATE tercet_lock SET since = since + interval '1 hour', until = until + interval '1 hour'`);
  expect(await locks.renew(wish('a', 'second'))).toBe(true);
  expect(await locks.acquire(wish('a', 'third', 1000))).toEqual({ heldForMs: expect.any(Number) as number });
  expect((await locks.show('a'))!.until).toBeLessThan(Date.now() + 120_000);
  expect(await locks.seize('a')).toMatchObject({ token: second });
  expect(await got(locks, wish('a', 'third'))).toBeGreaterThan(second);
});

test('those who gave up waiting for a connection cost no new ones', async () => {
  const small = open(database.url, { max: 1 });
  const client = await small.connect();
  const pid = async (of: pg.PoolClient): Promise<unknown> => (await of.query('SELECT pg_backend_pid()')).rows;
  const first = await pid(client);
  const store = new PostgresLocks({ pool: small, limitMs: 20 });
  for (const owner of ['one', 'two']) await expect(store.acquire(wish('a', owner))).rejects.toMatchObject(AWAY);
  client.release();
  const next = await small.connect();
  expect(await pid(next)).toEqual(first);
  next.release();
  await store.close();
  await small.end();
});
