/** Sequences of real databases: alone, and as one of several that never meet. */
import { sequence } from '../../src/ids/sequence.js';
import { Server } from '../e2e/server.js';
import { idDatabase } from './tables.js';
import type { IdDatabase } from './tables.js';

let database: IdDatabase;

beforeEach(async () => {
  database = await idDatabase();
});

afterEach(() => database.drop());

const alter = (how: string) => database.pool.query(`ALTER SEQUENCE tercet_id_sequence ${how}`);
const open = (share?: { index: number; of: number }) =>
  sequence({ database: database.pool, ...(share ? { share } : {}) });

test('those who ask at the same time share a round trip, and get rising numbers', async () => {
  const ids = await open();
  const made = await Promise.all(Array.from({ length: 2500 }, () => ids.next()));
  expect(made.map(Number)).toEqual(Array.from({ length: 2500 }, (_, index) => index + 1));
  // One to look at the sequence.
  expect(ids.facts()).toMatchObject({ made: 2500, asked: 1 + 3 });
});

test('three databases that count by three never meet', async () => {
  const made = new Set<string>();
  for (const index of [1, 2, 3]) {
    await alter(`START WITH ${index} INCREMENT BY 3 RESTART`);
    const ids = await open({ index, of: 3 });
    for (let count = 0; count < 100; count += 1) made.add(await ids.next());
  }
  expect(made.size).toBe(300);
});

test.each([
  ['counts by one', 'START WITH 2 INCREMENT BY 1 RESTART', { index: 2, of: 3 }],
  ['starts elsewhere', 'START WITH 1 INCREMENT BY 3 RESTART', { index: 2, of: 3 }],
  ['was set to where another one counts', 'START WITH 2 INCREMENT BY 3 RESTART WITH 7', { index: 2, of: 3 }],
  ['counts down', 'INCREMENT BY -1 MINVALUE -1000 MAXVALUE 1000 START WITH 1 RESTART', { index: 1, of: 1 }],
])('one that %s is refused, with what to run', async (_name, how, share) => {
  await alter(how);
  if (how.endsWith('7')) await database.pool.query(`SELECT nextval('tercet_id_sequence')`);
  const statement = `ALTER SEQUENCE tercet_id_sequence START WITH ${share.index} INCREMENT BY ${share.of} RESTART`;
  await expect(open(share)).rejects.toMatchObject({
    code: 'TERCET_ID_UNSAFE',
    detail: expect.stringContaining(statement) as string,
  });
  if (how.includes('-1')) return;
  await database.pool.query(statement);
  await expect((await open(share)).next()).resolves.toBe(String(share.index));
});

test('one that starts over at its end, and one that is not there, are refused', async () => {
  await alter('CYCLE');
  await expect(open()).rejects.toMatchObject({ code: 'TERCET_ID_UNSAFE' });
  await database.pool.query('DROP SEQUENCE tercet_id_sequence');
  await expect(open()).rejects.toMatchObject({ code: 'TERCET_ID_UNSAFE' });
});

test('a share that cannot be is refused', async () => {
  for (const share of [
    { index: 0, of: 3 },
    { index: 4, of: 3 },
    { index: 1.5, of: 3 },
  ]) {
    await expect(open(share)).rejects.toThrow(RangeError);
  }
});

test('what was given out is not given out again, although the server crashes and nothing was ever committed with it', async () => {
  const server = await Server.start();
  const own = await idDatabase(`${server.url}?options=-c%20synchronous_commit%3Doff`);
  try {
    const ids = await sequence({ database: own.pool });
    // Those after the first of 32 write nothing by themselves.
    const made = [];
    for (let count = 0; count < 40; count += 1) made.push(await ids.next());
    await server.crash();
    await expect(ids.next()).rejects.toMatchObject({ code: 'TERCET_ID_UNAVAILABLE' });
    expect(ids.warnings()).toEqual([expect.stringMatching(/^ids: the database does not give new ones/)]);
    await server.start();
    const after = await ids.next();
    expect(made).not.toContain(after);
    expect(Number(after)).toBeGreaterThan(40);
    expect(ids.warnings()).toEqual([]);
  } finally {
    await own.drop();
    await server.remove();
  }
}, 60_000);

test('nor one that another session had logged, and had not yet written to the disk', async () => {
  const server = await Server.start();
  const own = await idDatabase(server.url);
  try {
    await own.pool.query(`ALTER SYSTEM SET wal_writer_delay = '10s'`);
    await own.pool.query('SELECT pg_reload_conf()');
    const ids = await sequence({ database: own.pool });
    const other = await own.pool.connect();
    other.on('error', () => undefined);
    await other.query('BEGIN');
    await other.query(`SELECT nextval('tercet_id_sequence')`);
    const made = await ids.next();
    await server.crash();
    other.release(true);
    await server.start();
    expect(Number(await ids.next())).toBeGreaterThan(Number(made));
  } finally {
    await own.drop();
    await server.remove();
  }
}, 60_000);
