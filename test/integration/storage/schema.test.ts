import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { createDataSource, prepareDatabase } from '../../../src/storage/data-source.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';

const logger = { info() {}, warn() {}, error() {} };
const DUMP = fileURLToPath(new URL('schema.txt', import.meta.url));

let database: TestDatabase;
let admin: pg.Client;

beforeEach(async () => {
  database = await createDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
});

afterEach(async () => {
  await admin.end();
  await database.drop();
});

/** Everything in the schema by which the service's statements live, as text; of history without the days. */
async function dump(): Promise<string> {
  // Whatever the user is called, names are printed with their schema.
  await admin.query(`SET search_path = ''`);
  const { rows } = await admin.query<{ line: string }>(
    `SELECT line FROM (
     SELECT format('%s %s', c.relkind, c.relname) || coalesce(' ' || c.reloptions::text, '') AS line
       FROM pg_class c WHERE relnamespace = 'tercet'::regnamespace AND relkind IN ('r', 'S', 'p') AND NOT relispartition
      UNION ALL
     SELECT format('%s.%s %s%s%s%s', table_name, column_name, data_type,
                   coalesce('(' || datetime_precision || ')', ''),
                   coalesce(' COLLATE ' || collation_name, ''),
                   CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END) || coalesce(' DEFAULT ' || column_default, '')
       FROM information_schema.columns WHERE table_schema = 'tercet' AND table_name NOT LIKE 'history\\_%'
      UNION ALL
     SELECT indexdef FROM pg_indexes WHERE schemaname = 'tercet' AND tablename NOT LIKE 'history\\_%'
      UNION ALL
     SELECT format('%s: %s', conname, pg_get_constraintdef(oid))
       FROM pg_constraint WHERE connamespace = 'tercet'::regnamespace AND contype IN ('p', 'u', 'f', 'c') AND conparentid = 0
     ) AS lines ORDER BY line COLLATE "C"`,
  );
  return rows.map(({ line }) => `${line}\n`).join('');
}

/** A user of its own, who may connect and nothing else. */
async function newcomer(): Promise<{ url: string; name: string }> {
  const name = `newcomer_${Math.random().toString(36).slice(2)}`;
  await admin.query(`CREATE ROLE ${name} LOGIN PASSWORD 'secret'`);
  const url = new URL(database.url);
  url.username = name;
  url.password = 'secret';
  return { url: url.href, name };
}

async function dismiss(name: string): Promise<void> {
  await admin.query(`DROP OWNED BY ${name}`);
  await admin.query(`DROP ROLE ${name}`);
}

test('the migrations make the schema that is written down; UPDATE_SCHEMA=1 writes it down anew', async () => {
  await prepareDatabase(database.url, 'auto', logger);
  const schema = await dump();
  if (process.env['UPDATE_SCHEMA']) writeFileSync(DUMP, schema);
  expect(schema).toBe(readFileSync(DUMP, 'utf8'));
});

test('several nodes that start at once migrate once, and starting again changes nothing', async () => {
  await Promise.all([1, 2, 3].map(() => prepareDatabase(database.url, 'auto', logger)));
  await prepareDatabase(database.url, 'auto', logger);
  const { rows } = await admin.query('SELECT name FROM tercet.migration ORDER BY id');
  expect(rows.map(({ name }: { name: string }) => name)).toEqual([
    'TransactionLog0000000000001',
    'History0000000000002',
    'Instances0000000000003',
    'Trace0000000000004',
    'Saga0000000000005',
    'Outbox0000000000006',
    'Locks0000000000007',
    'Ids0000000000008',
    'Configuration0000000000009',
    'Rows0000000000010',
    'Aborted0000000000011',
  ]);
});

test('what the migrations made they can undo', async () => {
  await prepareDatabase(database.url, 'auto', logger);
  const source = await createDataSource(database.url).initialize();
  for (const _each of source.migrations) await source.undoLastMigration();
  await source.destroy();
  const { rows } = await admin.query(
    `SELECT relname FROM pg_class WHERE relnamespace = 'tercet'::regnamespace AND relkind IN ('r', 'p')`,
  );
  expect(rows).toEqual([{ relname: 'migration' }]);
});

test('with migrations off a database that lacks one is refused, and changed in nothing', async () => {
  await expect(prepareDatabase(database.url, 'off', logger)).rejects.toMatchObject({
    code: 'TERCET_NOT_READY',
    detail: expect.stringMatching(/lacks \d+ migration.*TransactionLog.*tercet migrate/) as string,
  });
  expect((await admin.query(`SELECT FROM pg_namespace WHERE nspname = 'tercet'`)).rows).toHaveLength(0);
});

test('a user who may not create the schema is told which right is missing', async () => {
  const { url, name } = await newcomer();
  await expect(prepareDatabase(url, 'auto', logger)).rejects.toMatchObject({
    code: 'TERCET_NOT_READY',
    detail: expect.stringMatching(/a right is missing.*permission denied for database/) as string,
  });
  await dismiss(name);
});

test('with migrations off a user needs the use of every table, and no more', async () => {
  await prepareDatabase(database.url, 'auto', logger);
  const { url, name } = await newcomer();
  const attempt = (): Promise<void> => prepareDatabase(url, 'off', logger);
  await expect(attempt()).rejects.toMatchObject({ detail: expect.stringMatching(/right is missing/) as string });
  await admin.query(`GRANT USAGE ON SCHEMA tercet TO ${name}`);
  await admin.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tercet TO ${name}`);
  await admin.query(`GRANT USAGE ON ALL SEQUENCES IN SCHEMA tercet TO ${name}`);
  await attempt();
  await admin.query(`REVOKE UPDATE ON tercet.member FROM ${name}`);
  await expect(attempt()).rejects.toMatchObject({
    detail: expect.stringMatching(/may not UPDATE on tercet.member/) as string,
  });
  await admin.query(`GRANT UPDATE ON tercet.member TO ${name}`);
  await admin.query(`REVOKE USAGE ON ALL SEQUENCES IN SCHEMA tercet FROM ${name}`);
  await expect(attempt()).rejects.toMatchObject({
    detail: expect.stringMatching(/USAGE on tercet.component_revision/) as string,
  });
  await admin.query(`GRANT USAGE ON ALL SEQUENCES IN SCHEMA tercet TO ${name}`);
  await prepareDatabase(url, 'auto', logger);
  await dismiss(name);
});

test('a server that is too old, or is none, is named as such', async () => {
  const { server, url } = await oldServer();
  await expect(prepareDatabase(url, 'auto', logger)).rejects.toMatchObject({
    code: 'TERCET_NOT_READY',
    detail: expect.stringMatching(/runs PostgreSQL 14\.9.*needs 15 or newer/) as string,
  });
  await new Promise((done) => server.close(done));
  await expect(prepareDatabase(url, 'auto', logger)).rejects.toMatchObject({ code: 'TERCET_NOT_READY' });
  const wrong = new URL(database.url);
  wrong.password = 'wrong';
  await expect(prepareDatabase(wrong.href, 'auto', logger)).rejects.toMatchObject({
    detail: expect.stringMatching(/refuses the user, the password/) as string,
  });
});

/** Speaks just enough of the protocol to be asked for its version. */
async function oldServer(): Promise<{ server: Server; url: string }> {
  const message = (type: string, body: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(body.length + 4);
    return Buffer.concat([Buffer.from(type), length, body]);
  };
  const int = (value: number, bytes: number): Buffer => {
    const buffer = Buffer.alloc(bytes);
    buffer.writeIntBE(value, 0, bytes);
    return buffer;
  };
  const column = (name: string, oid: number): Buffer =>
    Buffer.concat([Buffer.from(`${name}\0`), int(0, 4), int(0, 2), int(oid, 4), int(-1, 2), int(-1, 4), int(0, 2)]);
  const value = (text: string): Buffer => Buffer.concat([int(text.length, 4), Buffer.from(text)]);
  const ready = message('Z', Buffer.from('I'));
  const version = Buffer.concat([
    message('T', Buffer.concat([int(2, 2), column('number', 23), column('text', 25)])),
    message('D', Buffer.concat([int(2, 2), value('140009'), value('14.9')])),
    message('C', Buffer.from('SELECT 1\0')),
    ready,
  ]);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(Buffer.concat([message('R', int(0, 4)), ready]));
      socket.on('data', (chunk) => chunk[0] === 'Q'.charCodeAt(0) && socket.write(version));
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  return { server, url: `postgres://u:p@127.0.0.1:${typeof address === 'object' ? address?.port : ''}/old` };
}
