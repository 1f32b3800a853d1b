/** An upgrade of a database that 0001 made loses nothing: what had ended is in history, what had not goes on. */
import pg from 'pg';
import { DataSource } from 'typeorm';
import { TransactionLog0000000000001 } from '../../../migrations/0001-transaction-log.js';
import { Locks } from '../../../src/locks/locks.js';
import { PostgresLocks } from '../../../src/locks/postgres.js';
import { createDataSource, prepareDatabase } from '../../../src/storage/data-source.js';
import { Retention } from '../../../src/storage/retention.js';
import { PostgresLog } from '../../../src/storage/transaction-log.js';
import { ended, transaction } from '../../contract/sample.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';

const logger = { info() {}, warn() {}, error() {} };

/** By a database that is a month ahead. */
class Later extends Retention {
  protected override now(): Promise<number> {
    return Promise.resolve(Date.now() + 32 * 86_400_000);
  }
}

let database: TestDatabase;
let admin: pg.Client;
let upgraded: PostgresLog;

/** The schema of 0001 with 51 transactions that have ended and 50 that have not. */
beforeEach(async () => {
  database = await createDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query('CREATE SCHEMA tercet');
  const options = createDataSource(database.url).options;
  const source = new DataSource({ ...options, migrations: [TransactionLog0000000000001] });
  await source.initialize();
  await source.runMigrations();
  await source.destroy();
  await admin.query(`
    INSERT INTO tercet.transaction (gid, mode, drive, business_key, content_hash, begun_by, began_at, deadline_at,
                                    owner, epoch, version, status, decision, progress, replies, decided_at, ended_at)
    SELECT kind || '-' || n, 'tcc', CASE n % 2 WHEN 0 THEN 'coordinator' ELSE 'initiator' END, 'key', 'hash', 'north', to_timestamp(1700000000 + n), NULL, 'gone', 2, 3,
           CASE kind WHEN 'done' THEN 'committed' ELSE 'committing' END, 'commit',
           '["commit",["confirmed",1,2],["confirmed",2,1]]', '["1",null]', to_timestamp(1700000100),
           CASE kind WHEN 'done' THEN to_timestamp(1700000200) END
      FROM unnest(ARRAY['done', 'open']) AS kind, generate_series(1, 50) AS n;
    INSERT INTO tercet.branch (gid, branch_id, position, component, payload)
    SELECT gid, id, position, 'account', '{"of":"\\u0000 ' || gid || '"}' FROM tercet.transaction,
           (VALUES ('b', 0), ('a', 1)) AS branch(id, position);
    INSERT INTO tercet.timeline (gid, version, events)
    SELECT gid, said, '[{"at":' || said || ',"node":"north","kind":"call"},{"at":9,"node":"n","kind":"ended"}]'
      FROM tercet.transaction, generate_series(2, 3) AS said;
    INSERT INTO tercet.transaction (gid, mode, drive, content_hash, begun_by, began_at, owner, ended_at, status)
    VALUES ('bare', 'tcc', 'initiator', 'hash', 'north', now(), 'gone', now(), 'aborted')`);
  upgraded = new PostgresLog({ url: database.url, leaseMs: 5000 }, logger);
});

afterEach(async () => {
  await upgraded.close();
  await admin.end();
  await database.drop();
});

async function allIsFound(): Promise<void> {
  const [done, left] = [await upgraded.get('done-7'), await upgraded.get('open-7')];
  const branches = ['b', 'a'].map((branchId) => ({
    branchId,
    component: 'account',
    payload: `{"of":"\\u0000 done-7"}`,
  }));
  expect(done).toMatchObject({ owner: 'gone', epoch: 2, version: 3, tx: { branches, businessKey: 'key' } });
  expect(done?.tx).toMatchObject({ status: 'committed', beganAt: 1_700_000_007_000, endedAt: 1_700_000_200_000 });
  expect({ ...left?.tx, branches: [] }).toEqual({
    ...done?.tx,
    branches: [],
    gid: 'open-7',
    status: 'committing',
    endedAt: null,
  });
  const call = (at: number) => ({ at, node: 'north', kind: 'call' });
  const end = { at: 9, node: 'n', kind: 'ended' };
  const begun = { at: 1_700_000_007_000, node: 'north', kind: 'begun' };
  for (const gid of ['done-7', 'open-7']) {
    expect(await upgraded.timeline(gid)).toEqual([begun, call(2), end, call(3), end]);
    expect(await upgraded.contentHash(gid)).toBe('hash');
  }
  expect((await upgraded.get('bare'))?.tx).toMatchObject({ branches: [], status: 'aborted' });
  expect((await upgraded.list({ limit: 500 })).items).toHaveLength(101);
  expect((await upgraded.list({ limit: 500, unfinished: true })).items).toHaveLength(50);
}

test('all of it is found as it was', async () => {
  await prepareDatabase(database.url, 'auto', logger);
  await allIsFound();
});

test('undone and made again, too', async () => {
  await prepareDatabase(database.url, 'auto', logger);
  const source = await createDataSource(database.url).initialize();
  while ((await source.undoLastMigration(), await isThere('tercet.history')));
  await source.destroy();
  await prepareDatabase(database.url, 'auto', logger);
  await allIsFound();
});

test('undone, nothing is left of what was taken out of history and not dropped', async () => {
  await prepareDatabase(database.url, 'auto', logger);
  await admin.query('ALTER TABLE tercet.history DETACH PARTITION tercet.history_before');
  const source = await createDataSource(database.url).initialize();
  while ((await source.undoLastMigration(), await isThere('tercet.history')));
  await source.destroy();
  expect(await isThere('tercet.history_before')).toBe(false);
  await prepareDatabase(database.url, 'auto', logger);
});

test('what had ended keeps its gid and goes by age, and what had not goes on', async () => {
  await prepareDatabase(database.url, 'auto', logger);
  const member = await upgraded.join('south', 600_000);
  for (const gid of ['done-7', 'open-7']) {
    const again = await upgraded.insert(member, transaction({ gid }), 'other');
    expect(again).toMatchObject({ inserted: false, sameContent: false });
  }
  // Of one the branches are beside its row, of the other in it.
  for (const gid of ['open-7', 'open-8']) {
    const taken = await upgraded.take(member, gid);
    if (taken) await upgraded.save(taken, ended(taken.tx), [{ at: 10, node: 'south', kind: 'ended' }]);
    expect((await upgraded.timeline(gid))?.at(-1)).toEqual({ at: 10, node: 'south', kind: 'ended' });
    const branches = ['b', 'a'].map((branchId) => ({ branchId, payload: `{"of":"\\u0000 ${gid}"}` }));
    expect(await upgraded.get(gid)).toMatchObject({ tx: { status: 'committed', branches } });
    const { rows } = await admin.query('SELECT FROM tercet.branch WHERE gid = $1', [gid]);
    expect(rows).toEqual([]);
  }
  const clock = { now: Date.now, monotonic: Date.now, after: () => () => undefined };
  const pool = new pg.Pool({ connectionString: database.url });
  const locks = new Locks(new PostgresLocks({ pool, table: 'tercet.lock' }));
  await new Later({ url: database.url, days: () => 30, leaseMs: 5000 }, locks, clock, logger).run();
  await locks.close();
  await pool.end();
  const left = (await upgraded.list({ limit: 500 })).items.map(({ tx }) => tx.status);
  expect(left).toEqual(Array(48).fill('committing'));
  expect(await upgraded.insert(member, transaction({ gid: 'done-7' }), 'other')).toMatchObject({ inserted: true });
});

test('what is written while it starts is not lost: it waits for it', async () => {
  const old = await session();
  await old.query('BEGIN');
  await old.query(`
    INSERT INTO tercet.transaction (gid, mode, drive, content_hash, begun_by, began_at, owner)
    VALUES ('late', 'tcc', 'initiator', 'hash', 'north', now(), 'gone');
    UPDATE tercet.transaction SET status = 'aborting', decision = 'abort', version = 4 WHERE gid = 'open-7'`);
  const done = prepareDatabase(database.url, 'auto', logger);
  await somebodyWaits();
  await old.query('COMMIT');
  await done;
  expect((await upgraded.get('late'))?.tx).toMatchObject({ status: 'open' });
  expect(await upgraded.get('open-7')).toMatchObject({ version: 4, tx: { decision: 'abort' } });
  await old.end();
});

test('while a node of the version before runs it is refused, and changes nothing', async () => {
  await admin.query(`INSERT INTO tercet.member (id, node, until) VALUES ('n/1', 'north-1', now() + interval '1 hour'),
                     ('n/2', 'gone', now() - interval '1 s')`);
  await admin.query(
    `INSERT INTO tercet.member (id, node, until, dead) VALUES ('n/3', 'left', now() + interval '1 hour', true)`,
  );
  await expect(prepareDatabase(database.url, 'auto', logger)).rejects.toMatchObject({
    code: 'TERCET_NOT_READY',
    detail: expect.stringMatching(/nodes of the version before run: north-1; stop all of them/) as string,
  });
  expect([await isThere('tercet.history'), await isThere('tercet.transaction_began_at')]).toEqual([false, true]);
}, 60_000);

test('a node that was killed a moment ago is waited for', async () => {
  await admin.query(
    `INSERT INTO tercet.member (id, node, until) VALUES ('n/1', 'north-1', now() + interval '1500 ms')`,
  );
  await prepareDatabase(database.url, 'auto', logger);
  await allIsFound();
});

test('while it waits for a lock it keeps nobody waiting for long, and goes on when the lock is free', async () => {
  const dump = await session();
  await dump.query('BEGIN');
  await dump.query('SELECT count(*) FROM tercet.transaction');
  let isDone = false;
  const done = prepareDatabase(database.url, 'auto', logger).then(() => (isDone = true));
  await somebodyWaits();
  // As a node of the version before writes: it gives up on a lock after two seconds.
  await admin.query(`SET lock_timeout = 2000`);
  await admin.query(`UPDATE tercet.transaction SET version = 4 WHERE gid = 'open-7'`);
  expect(isDone).toBe(false);
  await dump.query('COMMIT');
  await done;
  expect(await upgraded.get('open-7')).toMatchObject({ version: 4 });
  await dump.end();
});

async function session(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  return client;
}

/** Resolves when the migration waits for a lock. */
async function somebodyWaits(): Promise<void> {
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                      AND application_name = 'tercet migrate'`;
  while ((await admin.query(waiting)).rows.length === 0);
}

async function isThere(table: string): Promise<boolean> {
  const { rows } = await admin.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [table]);
  return rows[0]?.there === true;
}
