/** A service's own outbox: its tables, and what may be written into it. */
import pg from 'pg';
import { DataSource } from 'typeorm';
import { append } from '../../../src/outbox/append.js';
import type { NewMessage } from '../../../src/outbox/append.js';
import { DeadLetters } from '../../../src/outbox/dead-letters.js';
import { installOutbox, tablesOf, TercetOutbox1763683200001 } from '../../../src/outbox/schema.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';

const SOURCE = { source: 'urn:test' };

let database: TestDatabase;
let pool: pg.Pool;

beforeEach(async () => {
  database = await createDatabase();
  pool = new pg.Pool({ connectionString: database.url });
});

afterEach(async () => {
  await pool.end();
  await database.drop();
});

async function install(): Promise<void> {
  const client = await pool.connect();
  await installOutbox(client);
  client.release();
}

/** Columns, keys and settings of the four tables, their names and schema left out. */
async function shape(prefix: string): Promise<unknown[]> {
  const shapes = [];
  for (const [role, table] of Object.entries(tablesOf(prefix))) {
    const { rows } = await pool.query(
      `SELECT $2 AS role, c.reloptions, pg_get_constraintdef(k.oid) AS key, a.attname, a.attnotnull, a.attidentity,
              format_type(a.atttypid, a.atttypmod) AS type, pg_get_expr(d.adbin, d.adrelid) AS value
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
         LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
         LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.oid = to_regclass($1) ORDER BY a.attnum`,
      [table, role],
    );
    shapes.push(...(rows as unknown[]));
  }
  return shapes;
}

test("a service's own tables are those of the coordinator", async () => {
  await prepareDatabase(database.url, 'auto', { info() {}, warn() {}, error() {} });
  await install();
  const own = await shape('tercet_outbox');
  expect(own.length).toBeGreaterThan(20);
  expect(own).toEqual(await shape('tercet.outbox'));
  const leases = (prefix: string): Promise<unknown> => pool.query(`SELECT * FROM ${prefix}_lease ORDER BY bucket`);
  expect(await leases('tercet_outbox')).toMatchObject({ rowCount: 64 });
});

test('instances that start at once install the tables once, and a second time changes nothing', async () => {
  await Promise.all([install(), install(), install()]);
  await append(pool, [{ topic: 't', payload: 1 }], SOURCE);
  await install();
  expect(await pool.query('SELECT FROM tercet_outbox')).toMatchObject({ rowCount: 1 });
});

test('TypeORM migrates, appends within its transaction, and handles dead letters', async () => {
  const source = new DataSource({ type: 'postgres', url: database.url, migrations: [TercetOutbox1763683200001] });
  await source.initialize();
  await source.runMigrations();
  await source.transaction(async (manager) => {
    expect(await append(manager, [{ topic: 't', payload: 1 }], SOURCE)).toHaveLength(1);
  });
  const failed = source.transaction(async (manager) => {
    await append(manager, [{ topic: 't', payload: 2 }], SOURCE);
    throw new Error('no');
  });
  await expect(failed).rejects.toThrow('no');
  expect(await source.query('SELECT payload FROM tercet_outbox')).toEqual([{ payload: '1' }]);
  await source.query(`
    INSERT INTO tercet_outbox_dead SELECT bucket, id, message_id, topic, key, payload, headers, created_at, 'no' FROM tercet_outbox`);
  const letters = new DeadLetters(source.manager);
  const [letter] = await letters.list();
  expect(letter).toMatchObject({ topic: 't', payload: '1', error: 'no' });
  expect(await letters.putBack([letter!.id], 'end')).toBe(1);
  expect(await letters.drop([letter!.id])).toBe(0);
  expect(await source.query('SELECT payload FROM tercet_outbox')).toHaveLength(2);
  await source.undoLastMigration();
  expect(await shape('tercet_outbox')).toEqual([]);
  await source.destroy();
});

test('many messages are one statement, and keep their order', async () => {
  await install();
  let statements = 0;
  const executor = {
    query: (text: string, values?: unknown[]): Promise<unknown> => {
      statements += 1;
      return pool.query(text, values);
    },
  };
  const messages = Array.from({ length: 1000 }, (_, payload) => ({ topic: 't', key: 'k', payload }));
  const ids = await append(executor, messages, { ...SOURCE, traceparent: '00-a-b-01' });
  expect(statements).toBe(1);
  const { rows } = await pool.query<{ message_id: string; payload: string; headers: string }>(
    'SELECT message_id, payload, headers FROM tercet_outbox ORDER BY bucket, id',
  );
  expect(rows.map(({ payload }) => Number(payload))).toEqual(messages.map(({ payload }) => payload));
  expect(rows.map(({ message_id: id }) => id)).toEqual(ids);
  expect(JSON.parse(rows[0]!.headers)).toMatchObject({ traceparent: '00-a-b-01', ce_id: ids[0] });
  expect(await append(executor, [], SOURCE)).toEqual([]);
  expect(statements).toBe(1);
});

const message: NewMessage = { topic: 't', payload: null };
const headers = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`h${n}`, '']));

test.each<[string, NewMessage]>([
  ['topic', { ...message, topic: '' }],
  ['topic', { ...message, topic: '..' }],
  ['topic', { ...message, topic: 'a b' }],
  ['topic', { ...message, topic: 'x'.repeat(250) }],
  ['key', { ...message, key: '' }],
  ['key', { ...message, key: 'a\0b' }],
  ['key', { ...message, key: 'x'.repeat(1025) }],
  ['id', { ...message, id: '' }],
  ['id', { ...message, id: 'x'.repeat(513) }],
  ['payload', { ...message, payload: undefined }],
  ['payload', { ...message, payload: 'x'.repeat(256 * 1024 - 1) }],
  ['headers', { ...message, headers: headers(65) }],
  ['headers.a b', { ...message, headers: { 'a b': 'x' } }],
  ['headers.h', { ...message, headers: { h: 'x'.repeat(1025) } }],
  ['headers.h', { ...message, headers: { h: 'a\0b' } }],
  ['headers.h', { ...message, headers: { h: 1 as unknown as string } }],
  ['headers.ce_id', { ...message, headers: { ce_id: 'x' } }],
  ['headers.TraceParent', { ...message, headers: { TraceParent: 'x' } }],
])('out of bounds: %s', async (field, wrong) => {
  await install();
  const appended = append(pool, [message, wrong], SOURCE);
  await expect(appended).rejects.toThrow(RangeError);
  await expect(appended).rejects.toThrow(`messages[1].${field}: `);
  expect(await pool.query('SELECT FROM tercet_outbox')).toMatchObject({ rowCount: 0 });
});

test('within bounds, to the last character', async () => {
  await install();
  const largest: NewMessage = {
    id: 'x'.repeat(512),
    topic: 'x'.repeat(249),
    key: 'ü'.repeat(1024),
    payload: 'x'.repeat(256 * 1024 - 2),
    headers: { ...headers(63), ['x'.repeat(128)]: 'ü'.repeat(1024) },
  };
  await append(pool, [largest, { ...message, key: null }], SOURCE);
  const { rows } = await pool.query<{ key: string; payload: string }>(
    'SELECT * FROM tercet_outbox WHERE key IS NOT NULL',
  );
  expect(rows).toMatchObject([{ key: largest.key, payload: JSON.stringify(largest.payload) }]);
});

test('a prefix that is no plain name is refused', async () => {
  await expect(append(pool, [message], { ...SOURCE, prefix: 'x; DROP TABLE y' })).rejects.toThrow(RangeError);
});
