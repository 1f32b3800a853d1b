/** docs/locks-and-ids.md: its table is the one that the SDK makes, and its guard as plain SQL refuses an old token. */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { Locks } from '../../src/locks/locks.js';
import { PostgresLocks } from '../../src/locks/postgres.js';
import { LOCK_SCHEMA } from '../../src/locks/schema.js';
import { createDatabase } from '../support/postgres.js';

const document = readFileSync(new URL('../../docs/locks-and-ids.md', import.meta.url), 'utf8');
const blocks = [...document.matchAll(/^```sql\n([^]*?)\n```$/gm)].map(([, sql = '']) => sql);
const plain = (sql: string): string => sql.replaceAll(/--.*$/gm, '').replaceAll(/\s+/g, ' ').trim();

function blockWith(text: string): string {
  const found = blocks.find((block) => block.includes(text));
  if (!found) throw new Error(`no SQL with '${text}'`);
  return found;
}

test('the table and its sequence are as the SDK makes them', () => {
  expect(plain(blockWith('CREATE TABLE tercet_lock'))).toBe(plain(LOCK_SCHEMA));
});

test('the guard and the column find their row by the token of the holder, and none by an older one', async () => {
  const { url, drop } = await createDatabase();
  const pool = new pg.Pool({ connectionString: url }).on('error', () => undefined);
  const locks = new Locks(new PostgresLocks({ pool }));
  try {
    await pool.query(blockWith('CREATE TABLE tercet_lock'));
    await pool.query(`CREATE TABLE report (id text, body text, lock_token bigint);
                      INSERT INTO report VALUES ('2026-11', '', 0)`);
    const [statement = ''] = /^SELECT .*;$/m.exec(blockWith('FOR KEY SHARE')) ?? [];
    const rowsWith = async (sql: string, token: number): Promise<number | null> =>
      (await pool.query(sql.replaceAll(/(token <?= )7/g, `$1${token}`))).rowCount;
    const column = blockWith('lock_token <= 7');
    const name = 'report:2026-11';
    const old = await locks.run(name, {}, async ({ token }) => {
      expect([await rowsWith(statement, token), await rowsWith(column, token)]).toEqual([1, 1]);
      return token;
    });
    await locks.run(name, {}, async ({ token }) => {
      expect([await rowsWith(statement, token), await rowsWith(column, token)]).toEqual([1, 1]);
    });
    expect([await rowsWith(statement, old), await rowsWith(column, old)]).toEqual([0, 0]);
  } finally {
    await locks.close();
    await pool.end();
    await drop();
  }
});
