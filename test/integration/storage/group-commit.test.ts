import pg from 'pg';
import { LogOutcomeUnknown, LogUnavailable, MemberDead } from '../../../src/engine/ports.js';
import type { Member } from '../../../src/engine/ports.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { PostgresLog } from '../../../src/storage/transaction-log.js';
import { branch, ended, newGid, transaction } from '../../contract/sample.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { Proxy } from '../../support/proxy.js';

const logger = { info() {}, warn() {}, error() {} };
const HASH = 'a'.repeat(64);
const LEASE_MS = 5000;

let database: TestDatabase;
let admin: pg.Client;
let log: PostgresLog;
let member: Member;
const opened: { close(): Promise<void> }[] = [];

function open(url = database.url, leaseMs = LEASE_MS): PostgresLog {
  const opening = new PostgresLog({ url, leaseMs }, logger);
  opened.push(opening);
  return opening;
}

async function proxied(leaseMs = LEASE_MS): Promise<{ proxy: Proxy; far: PostgresLog; farMember: Member }> {
  const proxy = await Proxy.start(database.url);
  opened.push({ close: () => proxy.stop() });
  const far = open(proxy.url, leaseMs);
  const farMember = await far.join('far', 60_000);
  await far.insert(farMember, transaction(), HASH);
  return { proxy, far, farMember };
}

/** A session that has begun something and does not go on. */
async function frozen(statement: string, values: unknown[] = []): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query('BEGIN');
  await client.query(statement, values);
  opened.push({ close: () => client.end() });
  return client;
}

/** Resolves when a statement of the log waits for a lock. */
async function somebodyWaits(): Promise<void> {
  for (;;) {
    const { rows } = await admin.query(
      `SELECT FROM pg_stat_activity
        WHERE application_name LIKE 'tercet%' AND wait_event_type = 'Lock' AND datname = current_database()`,
    );
    if (rows.length > 0) return;
  }
}

const INSERT = `WITH claimed AS (INSERT INTO tercet.gid (gid, content_hash, began_at) VALUES ($1, 'x', now()))
                INSERT INTO tercet.transaction (gid, mode, drive, begun_by, began_at, owner)
                VALUES ($1, 'tcc', 'initiator', 'n', now(), 'elsewhere')`;

beforeAll(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
});

afterAll(async () => {
  await admin.end();
  await database.drop();
});

beforeEach(async () => {
  log = open();
  member = await log.join('north', 60_000);
});

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

test('a TCC of any number of branches is three durable writes', async () => {
  const branches = Array.from({ length: 50 }, (_, index) => branch(`b${index}`));
  const { held } = await log.insert(member, transaction({ branches }), HASH);
  const decided = { ...held.tx, status: 'committing' as const, decision: 'commit' as const, decidedAt: 1 };
  const saved = await log.save(held, decided, [{ at: 1, node: 'north', kind: 'decided' }]);
  if (saved !== 'lost') await log.save(saved, ended(decided), []);
  expect((await log.get(held.tx.gid))?.tx.status).toBe('committed');
  expect(log.counts).toEqual({ flushes: 3, writes: 3 });
});

test('whoever writes while a flush is under way goes out with the next one', async () => {
  const answers = await Promise.all(Array.from({ length: 400 }, () => log.insert(member, transaction(), HASH)));
  expect(answers.every(({ inserted }) => inserted)).toBe(true);
  expect(log.counts.writes).toBe(400);
  expect(log.counts.flushes).toBeLessThanOrEqual(3);
});

test('a flush is bounded in size', async () => {
  const payload = JSON.stringify('x'.repeat(256 * 1024 - 2));
  await Promise.all(
    Array.from({ length: 40 }, () => log.insert(member, transaction({ branches: [branch('a', { payload })] }), HASH)),
  );
  // 10 MiB in flushes of at most 4.
  expect(log.counts.flushes).toBeGreaterThanOrEqual(3);
  expect(log.counts.writes).toBe(40);
});

test('a row that cannot be stored fails alone', async () => {
  const unstorable = [{ businessKey: 'a\u0000b' }, { businessKey: 'a\ud800' }, { businessKey: noise(20_000) }];
  const bad = unstorable.map((over) => transaction(over));
  const good = Array.from({ length: 30 }, () => transaction());
  const all = [...good.slice(0, 10), bad[0]!, ...good.slice(10, 20), bad[1]!, bad[2]!, ...good.slice(20)];
  const results = await Promise.allSettled(all.map((tx) => log.insert(member, tx, HASH)));
  for (const [index, result] of results.entries()) {
    const isBad = bad.includes(all[index]!);
    expect(result).toMatchObject(
      isBad ? { reason: { code: 'TERCET_REQUEST_INVALID' } } : { value: { inserted: true } },
    );
    expect((await log.get(all[index]!.gid)) === null).toBe(isBad);
  }
});

test('two nodes that begin the same hundred transactions at once share them, and none fails', async () => {
  const other = open();
  const stranger = await other.join('south', 60_000);
  const gids = Array.from({ length: 100 }, newGid);
  const answers = await Promise.all([
    ...gids.map((gid) => log.insert(member, transaction({ gid }), 'north')),
    ...gids.toReversed().map((gid) => other.insert(stranger, transaction({ gid }), 'south')),
  ]);
  expect(answers.filter(({ inserted }) => inserted)).toHaveLength(100);
  expect(answers.filter(({ sameContent }) => sameContent)).toHaveLength(100);
});

test('two nodes that save the same hundred transactions at once: each is saved once, and none fails', async () => {
  const other = open();
  const begun = await Promise.all(Array.from({ length: 100 }, () => log.insert(member, transaction(), HASH)));
  const results = await Promise.all([
    ...begun.map(({ held }) => log.save(held, ended(held.tx), [])),
    ...begun.toReversed().map(({ held }) => other.save(held, ended(held.tx), [])),
  ]);
  expect(results.filter((result) => result === 'lost')).toHaveLength(100);
});

test('a neighbour frozen between INSERT and COMMIT holds up those of the same gid alone', async () => {
  const tx = transaction();
  const neighbour = await frozen(INSERT, [tx.gid]);
  const others = Array.from({ length: 20 }, () => transaction());
  let isOver = false;
  const stuck = log.insert(member, tx, HASH).finally(() => {
    isOver = true;
  });
  const outcome = expect(stuck).rejects.toThrow(LogUnavailable);
  await Promise.all(others.map((each) => log.insert(member, each, HASH)));
  await Promise.all(others.map((each) => log.insert(member, transaction(), HASH).then(() => each)));
  expect(isOver).toBe(false);
  await outcome;
  await neighbour.query('ROLLBACK');
  expect(await log.insert(member, tx, HASH)).toMatchObject({ inserted: true });
});

test('a neighbour that commits in time is found to have been first', async () => {
  const tx = transaction();
  const neighbour = await frozen(INSERT, [tx.gid]);
  const answer = log.insert(member, tx, HASH);
  await somebodyWaits();
  await neighbour.query('COMMIT');
  expect(await answer).toMatchObject({ inserted: false, sameContent: false, held: { owner: 'elsewhere' } });
});

test('a row that somebody holds delays its own save alone', async () => {
  const begun = await Promise.all(Array.from({ length: 20 }, () => log.insert(member, transaction(), HASH)));
  const [stuck, ...others] = begun.map(({ held }) => held);
  const neighbour = await frozen('SELECT FROM tercet.transaction WHERE gid = $1 FOR UPDATE', [stuck!.tx.gid]);
  let isOver = false;
  const waiting = log.save(stuck!, ended(stuck!.tx), []).finally(() => {
    isOver = true;
  });
  const saved = await Promise.all(others.map((held) => log.save(held, ended(held.tx), [])));
  expect(saved).not.toContain('lost');
  expect(isOver).toBe(false);
  await neighbour.query('ROLLBACK');
  expect(await waiting).toMatchObject({ version: 2 });
});

test('a begin that meets the burial of its member is refused, and whoever takes over misses nothing', async () => {
  const before = await log.insert(member, transaction(), HASH);
  const gravedigger = await frozen('SELECT FROM tercet.member WHERE id = $1 FOR UPDATE', [member.id]);
  const late = transaction();
  const refused = expect(log.insert(member, late, HASH)).rejects.toThrow(MemberDead);
  await somebodyWaits();
  await gravedigger.query('UPDATE tercet.member SET dead = true WHERE id = $1', [member.id]);
  await gravedigger.query('COMMIT');
  await refused;
  const other = open();
  const taken = await other.takeOver(await other.join('south', 60_000), 100);
  expect(taken.map(({ tx }) => tx.gid)).toContain(before.held.tx.gid);
  expect(await log.get(late.gid)).toBeNull();
});

test('a begin under way holds up the burial of its member, and is then taken over', async () => {
  const held = transaction();
  const gravedigger = new pg.Client({ connectionString: database.url });
  await gravedigger.connect();
  opened.push({ close: () => gravedigger.end() });
  // The lock of the gid keeps the flush, and with it the lock of the member, until it gives up waiting for it.
  const neighbour = await frozen(INSERT, [held.gid]);
  const answer = log.insert(member, held, HASH);
  await somebodyWaits();
  const free = await gravedigger.query('SELECT FROM tercet.member WHERE id = $1 FOR UPDATE SKIP LOCKED', [member.id]);
  expect(free.rows).toHaveLength(0);
  await neighbour.query('ROLLBACK');
  expect(await answer).toMatchObject({ inserted: true });
});

test('an answer lost after the commit is unknown to those in that flush, and what was written is there', async () => {
  const { proxy, far, farMember } = await proxied();
  proxy.loseAnswers();
  const lost = [transaction(), transaction()];
  const results = await Promise.allSettled(lost.map((tx) => far.insert(farMember, tx, HASH)));
  for (const result of results) expect(result).toMatchObject({ reason: { name: expect.stringMatching(/^Log/) } });
  expect(results[0]).toMatchObject({ reason: expect.any(LogOutcomeUnknown) });
  proxy.heal();
  expect(await far.get(lost[0]!.gid)).not.toBeNull();
  expect(await far.insert(farMember, lost[0]!, HASH)).toMatchObject({ inserted: false, sameContent: true });
  expect(await far.insert(farMember, transaction(), HASH)).toMatchObject({ inserted: true });
});

test('a decision whose answer is lost is unknown, and is found when it is asked for', async () => {
  const { proxy, far, farMember } = await proxied();
  const { held } = await far.insert(farMember, transaction(), HASH);
  await far.get(held.tx.gid);
  proxy.loseAnswers();
  const deciding = far.decide(farMember, held.tx, 'abort', null, 1, []);
  await expect(deciding).rejects.toThrow(LogOutcomeUnknown);
  proxy.heal();
  expect((await far.get(held.tx.gid))?.tx.status).toBe('aborting');
});

test('a session that the server ends during a flush is unknown to those in it, and to nobody after', async () => {
  const tx = transaction();
  await frozen(INSERT, [tx.gid]);
  const cut = expect(log.insert(member, tx, HASH)).rejects.toThrow(LogOutcomeUnknown);
  await somebodyWaits();
  await admin.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'tercet%' AND datname = current_database()`,
  );
  await cut;
  expect(await log.insert(member, transaction(), HASH)).toMatchObject({ inserted: true });
});

test('a database that cannot be reached takes nothing, and is used again when it can', async () => {
  const { proxy, far, farMember } = await proxied();
  await proxy.stop();
  const tx = transaction();
  // The connections that were open break first; from then on nothing is even sent.
  await far.insert(farMember, tx, HASH).catch(() => undefined);
  await expect(far.insert(farMember, tx, HASH)).rejects.toThrow(LogUnavailable);
  await expect(far.get(tx.gid)).rejects.toThrow(LogUnavailable);
  await expect(far.renew(farMember, 1000)).rejects.toThrow(/the database/);
  opened.splice(
    opened.findIndex((each) => each !== log),
    1,
  );
  expect(await log.get(tx.gid)).toBeNull();
});

test('a network that says nothing is given up, and a begin that arrives after that begins nothing', async () => {
  const { proxy, far, farMember } = await proxied(400);
  proxy.silence();
  const tx = transaction();
  const { rows } = await admin.query<{ later: Date }>(`SELECT clock_timestamp() + interval '450 ms' AS later`);
  await expect(far.insert(farMember, tx, HASH)).rejects.toThrow(LogOutcomeUnknown);
  await itIs(rows[0]!.later);
  proxy.heal();
  expect(await far.insert(farMember, transaction(), HASH)).toMatchObject({ inserted: true });
  await sessionsAreIdle();
  expect(await far.get(tx.gid)).toBeNull();
});

async function itIs(later: Date): Promise<void> {
  for (;;) {
    const { rows } = await admin.query<{ over: boolean }>('SELECT clock_timestamp() > $1 AS over', [later]);
    if (rows[0]?.over) return;
  }
}

async function sessionsAreIdle(): Promise<void> {
  for (;;) {
    const { rows } = await admin.query(
      `SELECT FROM pg_stat_activity WHERE application_name LIKE 'tercet%' AND state = 'active' AND datname = current_database()`,
    );
    if (rows.length === 0) return;
  }
}

/** Text that does not compress. */
function noise(chars: number): string {
  return Array.from({ length: chars }, () => String.fromCharCode(0x4e00 + Math.floor(Math.random() * 0x4e00))).join('');
}
