import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Activation } from '../../../src/config-center/activation.js';
import { EpochOver, MemberDead } from '../../../src/engine/ports.js';
import type { Member } from '../../../src/engine/ports.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { Database } from '../../../src/storage/database.js';
import { PostgresLog } from '../../../src/storage/transaction-log.js';
import { transaction } from '../../contract/sample.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { prepare, stateOf } from './strict.js';

const LEASE_MS = 5000;
const SWITCHES = 40;
const logger = { info() {}, warn() {}, error() {} };

let database: TestDatabase;
let admin: pg.Pool;
let asked: Database;
let activation: Activation;
let logs: PostgresLog[];

beforeEach(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
  admin = new pg.Pool({ connectionString: database.url, max: 3 });
  asked = new Database({ url: database.url, leaseMs: LEASE_MS }, logger);
  activation = new Activation(asked, LEASE_MS);
  logs = [];
});

afterEach(async () => {
  await Promise.all(logs.map((log) => log.close()));
  await asked.close();
  await admin.end();
  await database.drop();
});

async function join(node: string): Promise<{ log: PostgresLog; member: Member }> {
  const log = new PostgresLog({ url: database.url, leaseMs: LEASE_MS }, logger);
  logs.push(log);
  return { log, member: await log.join(node, LEASE_MS * 10) };
}

async function epochNow(): Promise<number> {
  const { rows } = await admin.query<{ epoch: number }>('SELECT epoch FROM tercet.work_gate');
  return rows[0]?.epoch ?? -1;
}

const expire = (member: Member) =>
  admin.query(`UPDATE tercet.member SET until = now() - interval '1 second' WHERE id = $1`, [member.id]);

/** By the clock of the server's commits; `release` says under which epoch a transaction was begun. */
const LATE = `
  SELECT count(*)::int AS late FROM tercet.transaction t
    JOIN tercet.config_rollout r ON r.epoch = t.release + 1
   WHERE pg_xact_commit_timestamp(t.xmin) >= pg_xact_commit_timestamp(r.xmin)`;

test(`nothing is begun under an old epoch once another is in force, over ${SWITCHES} switches under load`, async () => {
  const { rows: settings } = await admin.query<{ track: string }>(
    `SELECT current_setting('track_commit_timestamp') AS track`,
  );
  if (settings[0]?.track !== 'on') throw new Error('this server has no track_commit_timestamp: start it with that on');
  const nodes = await Promise.all(['n1', 'n2', 'n3', 'n4', 'n5'].map(join));
  let isLoaded = true;
  const refused = { count: 0 };
  const load = nodes.flatMap(({ log, member }) =>
    Array.from({ length: 4 }, async () => {
      let epoch = 0;
      while (isLoaded) {
        try {
          await log.insert(member, transaction({ release: epoch }), 'h', [], epoch);
        } catch (error) {
          if (!(error instanceof EpochOver)) throw error;
          refused.count += 1;
          epoch = await epochNow();
        }
      }
    }),
  );
  for (let switched = 0; switched < SWITCHES; switched += 1) {
    const { rollout } = await prepare(admin);
    for (const { member } of nodes) {
      expect(await activation.finish(rollout)).toBe('waiting');
      await activation.acknowledge(rollout, member.id, null);
    }
    while ((await activation.finish(rollout)) === 'waiting') await sleep(1);
  }
  isLoaded = false;
  await Promise.all(load);
  expect(await epochNow()).toBe(SWITCHES);
  const { rows } = await admin.query<{ begun: number; epochs: number }>(
    'SELECT count(*)::int AS begun, count(DISTINCT release)::int AS epochs FROM tercet.transaction',
  );
  // A load that is refused all the time proves nothing.
  expect(rows[0]?.begun).toBeGreaterThan(SWITCHES * 5);
  expect(rows[0]?.epochs).toBeGreaterThan(SWITCHES / 2);
  expect(refused.count).toBeGreaterThan(SWITCHES / 2);
  expect((await admin.query<{ late: number }>(LATE)).rows[0]?.late).toBe(0);
}, 120_000);

test('a release that one node rejects comes into force nowhere, and says why', async () => {
  const [a, b] = [await join('a'), await join('b')];
  const strict = await prepare(admin);
  await activation.acknowledge(strict.rollout, a.member.id, null);
  await activation.acknowledge(strict.rollout, b.member.id, 'limits.unfinished must be at least 1');
  // What counts is what it said first.
  await activation.acknowledge(strict.rollout, b.member.id, null);
  expect(await activation.finish(strict.rollout)).toBe('aborted');
  expect(await stateOf(admin, strict)).toEqual({
    state: 'aborted',
    why: `${b.member.id} rejects it: limits.unfinished must be at least 1`,
    epoch: null,
  });
  expect(await epochNow()).toBe(0);
  expect(await activation.finish(strict.rollout)).toBe('over');
  const { rows } = await admin.query(`SELECT release FROM tercet.config_namespace WHERE environment = 'tercet'`);
  expect(rows).toEqual([{ release: null }]);
  const audit = await admin.query('SELECT by, action, release, reason FROM tercet.config_audit');
  expect(audit.rows).toEqual([
    { by: 'tercet', action: 'abort', release: strict.number, reason: expect.stringContaining('rejects it') },
  ]);
});

test('who is silent and has no lease is fenced: the release comes into force, and he begins nothing any more', async () => {
  const [a, frozen] = [await join('a'), await join('frozen')];
  const strict = await prepare(admin);
  await activation.acknowledge(strict.rollout, a.member.id, null);
  expect(await activation.finish(strict.rollout)).toBe('waiting');
  await expire(frozen.member);
  expect(await activation.finish(strict.rollout)).toBe('done');
  expect(await stateOf(admin, strict)).toMatchObject({ state: 'done', epoch: 1 });
  await expect(frozen.log.insert(frozen.member, transaction(), 'h', [], 1)).rejects.toThrow(MemberDead);
  expect(await frozen.log.renew(frozen.member, LEASE_MS)).toBe(false);
  expect(await a.log.insert(a.member, transaction(), 'h', [], 1)).toMatchObject({ inserted: true });
});

test('who lives and is silent ends it at its deadline: nothing changes', async () => {
  const [a, silent] = [await join('a'), await join('silent')];
  const strict = await prepare(admin, { deadlineMs: 0 });
  await activation.acknowledge(strict.rollout, a.member.id, null);
  expect(await activation.finish(strict.rollout)).toBe('aborted');
  expect((await stateOf(admin, strict)).why).toBe(`no answer in time from ${silent.member.id}`);
  expect(await silent.log.insert(silent.member, transaction(), 'h', [], 0)).toMatchObject({ inserted: true });
});

test('with evict his lease is renewed no more, and it comes into force once that has run out, not before', async () => {
  const [a, silent] = [await join('a'), await join('silent')];
  const strict = await prepare(admin, { deadlineMs: 0, onSilent: 'evict' });
  await activation.acknowledge(strict.rollout, a.member.id, null);
  expect(await activation.finish(strict.rollout)).toBe('waiting');
  expect(await silent.log.renew(silent.member, LEASE_MS)).toBe(false);
  expect(await a.log.renew(a.member, LEASE_MS)).toBe(true);
  // He may still be calling a service.
  expect(await activation.finish(strict.rollout)).toBe('waiting');
  await expire(silent.member);
  expect(await activation.finish(strict.rollout)).toBe('done');
});

test('with evict, one that goes on renewing its lease and says nothing ends it in time', async () => {
  const [a] = [await join('a'), await join('of an older version')];
  const strict = await prepare(admin, { deadlineMs: 0, onSilent: 'evict' });
  await activation.acknowledge(strict.rollout, a.member.id, null);
  await admin.query(`UPDATE tercet.config_rollout SET deadline_at = deadline_at - interval '61 seconds'`);
  await activation.finishOverdue();
  expect(await stateOf(admin, strict)).toMatchObject({
    state: 'aborted',
    why: expect.stringContaining('older version'),
  });
});

test('a begin that waited for the switch sees it, whatever the database says of isolation', async () => {
  const name = new URL(database.url).pathname.slice(1);
  await admin.query(`ALTER DATABASE ${name} SET default_transaction_isolation = 'repeatable read'`);
  const a = await join('a');
  const switching = await admin.connect();
  try {
    await switching.query('BEGIN');
    await switching.query('SELECT pg_advisory_xact_lock(8372, 9)');
    const beginning = a.log.insert(a.member, transaction(), 'h', [], 0).catch((error: unknown) => error);
    const waiting = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database =
                       (SELECT oid FROM pg_database WHERE datname = current_database())`;
    while ((await admin.query(waiting)).rows.length === 0) await sleep(2);
    await switching.query('UPDATE tercet.work_gate SET epoch = epoch + 1');
    await switching.query('COMMIT');
    expect(await beginning).toBeInstanceOf(EpochOver);
  } finally {
    switching.release();
  }
});

test('who joins while it is prepared must answer too', async () => {
  const a = await join('a');
  const strict = await prepare(admin);
  await activation.acknowledge(strict.rollout, a.member.id, null);
  const late = await join('late');
  expect(await activation.finish(strict.rollout)).toBe('waiting');
  await activation.acknowledge(strict.rollout, late.member.id, null);
  expect(await activation.finish(strict.rollout)).toBe('done');
});

test('who was declared dead has nothing to say, and what he said under his old lease does not count for his new one', async () => {
  const [a, b] = [await join('a'), await join('b')];
  const strict = await prepare(admin);
  await activation.acknowledge(strict.rollout, a.member.id, null);
  await activation.acknowledge(strict.rollout, b.member.id, null);
  await b.log.leave(b.member);
  const again = await join('b');
  expect(await activation.finish(strict.rollout)).toBe('waiting');
  await activation.acknowledge(strict.rollout, b.member.id, 'no');
  await activation.acknowledge(strict.rollout, again.member.id, null);
  expect(await activation.finish(strict.rollout)).toBe('done');
});

test('who begins and does not commit delays the switch, nobody else for long, and nothing is lost by that', async () => {
  const a = await join('a');
  const slow = await admin.connect();
  try {
    await slow.query('BEGIN');
    await slow.query('SELECT tercet.enter_work()');
    const strict = await prepare(admin);
    await activation.acknowledge(strict.rollout, a.member.id, null);
    // It gives up, and lets those through who came behind it.
    const finishing = activation.finish(strict.rollout);
    expect(await a.log.insert(a.member, transaction(), 'h', [], 0)).toMatchObject({ inserted: true });
    expect(await finishing).toBe('waiting');
    await slow.query('COMMIT');
    expect(await activation.finish(strict.rollout)).toBe('done');
  } finally {
    slow.release();
  }
});

test('who repeats a begin after a switch is told so, whether or not it was recorded', async () => {
  const a = await join('a');
  const tx = transaction();
  await a.log.insert(a.member, tx, 'h', [], 0);
  const strict = await prepare(admin);
  await activation.acknowledge(strict.rollout, a.member.id, null);
  expect(await activation.finish(strict.rollout)).toBe('done');
  await expect(a.log.insert(a.member, tx, 'h', [], 0)).rejects.toThrow(EpochOver);
  await expect(a.log.insert(a.member, transaction(), 'h', [], 0)).rejects.toThrow(EpochOver);
  expect(await a.log.insert(a.member, tx, 'h', [], 1)).toMatchObject({ inserted: false, sameContent: true });
});
