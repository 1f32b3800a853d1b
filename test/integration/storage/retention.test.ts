/** Partitions of history come ahead and go by age; what has gone is gone, and its gids are free. */
import pg from 'pg';
import type { Held, Member } from '../../../src/engine/ports.js';
import { fenced } from '../../../src/locks/fenced.js';
import { Locks } from '../../../src/locks/locks.js';
import { PostgresLocks } from '../../../src/locks/postgres.js';
import { RedisLocks } from '../../../src/locks/redis.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { Retention } from '../../../src/storage/retention.js';
import { PostgresLog } from '../../../src/storage/transaction-log.js';
import { until } from '../../client/until.js';
import { branch, ended, transaction } from '../../contract/sample.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { Proxy } from '../../support/proxy.js';
import { startRedis, withOwnRedis } from '../../support/redis.js';

const DAY_MS = 86_400_000;
const HASH = 'a'.repeat(64);
const quiet = { info() {}, warn() {}, error() {} };

let database: TestDatabase;
let admin: pg.Client;
let log: PostgresLog;
let member: Member;
let now: number;
let told: { message: string; fields: object }[];

const note = (fields: object, message: string): void => void told.push({ message, fields });
const logger = { info: note, warn: note, error: note };
const clock = { now: () => now, monotonic: () => now, after: () => () => undefined };
/** By a database that knows what time it will be. */
class Later extends Retention {
  protected override async now(client: pg.Client): Promise<number> {
    client.on('notice', ({ message }) => notices.push(message ?? ''));
    await client.query('SET client_min_messages = debug1');
    return now;
  }
}
let notices: string[];
let pool: pg.Pool;
let locks: Locks<'correctness'>;
const retention = (days = 30, url = database.url): Retention =>
  new Later({ url, days: () => days, leaseMs: 5000 }, locks, clock, logger);

beforeEach(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', quiet);
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  pool = new pg.Pool({ connectionString: database.url });
  locks = new Locks(new PostgresLocks({ pool, table: 'tercet.lock' }));
  log = new PostgresLog({ url: database.url, leaseMs: 5000 }, quiet);
  member = await log.join('north', 600_000);
  now = Date.now();
  told = [];
  notices = [];
});

afterEach(async () => {
  await log.close();
  await locks.close();
  await pool.end();
  await admin.end();
  await database.drop();
});

async function finish(gid: string, endedAt = now): Promise<Held> {
  const { held } = await log.insert(member, transaction({ gid, beganAt: endedAt - 1000 }), HASH);
  const end = await log.save(held, { ...ended(held.tx), endedAt }, []);
  if (end === 'lost') throw new Error('the end was lost');
  return end;
}

async function partitions(): Promise<string[]> {
  const { rows } = await admin.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'tercet'::regnamespace AND relkind = 'r'
        AND relname LIKE 'history%' ORDER BY relname`,
  );
  return rows.map(({ name }) => name);
}

const dayOf = (time: number): string => `history_${new Date(time).toISOString().slice(0, 10).replaceAll('-', '')}`;
const inDefault = async (): Promise<number> =>
  (await admin.query<{ n: number }>('SELECT count(*)::int AS n FROM tercet.history_default')).rows[0]!.n;
const claimed = async (): Promise<string[]> =>
  (await admin.query<{ gid: string }>('SELECT gid FROM tercet.gid ORDER BY gid')).rows.map(({ gid }) => gid);

test('there are partitions for a week ahead, and each day there is one more', async () => {
  const week = Array.from({ length: 8 }, (_, day) => dayOf(now + day * DAY_MS));
  expect(await partitions()).toEqual([...week, 'history_before', 'history_default']);
  expect(await retention().run()).toBe(true);
  expect(told).toEqual([]);
  now += 3 * DAY_MS;
  expect(await retention().run()).toBe(true);
  const added = [8, 9, 10].map((day) => dayOf(now + (day - 3) * DAY_MS));
  expect(await partitions()).toEqual([...week, ...added, 'history_before', 'history_default']);
  expect(told).toEqual([{ message: expect.any(String) as string, fields: { partitions: added } }]);
  await finish('later', now + 7 * DAY_MS);
  expect(await inDefault()).toBe(0);
});

test('what ended longer ago than is kept is gone with its gid; all else stays, the unfinished however old', async () => {
  await finish('today');
  await finish('tomorrow', now + DAY_MS);
  await log.insert(member, transaction({ gid: 'open', beganAt: now - 1000 * DAY_MS }), HASH);
  now += 30 * DAY_MS;
  await retention().run();
  expect((await log.get('today'))?.tx.status).toBe('committed');
  now += DAY_MS;
  await retention().run();
  expect(await log.get('today')).toBeNull();
  expect(await log.timeline('today')).toBeNull();
  expect(await claimed()).toEqual(['open', 'tomorrow']);
  expect((await log.list({ limit: 9 })).items.map(({ tx }) => tx.gid)).toEqual(['tomorrow', 'open']);
  expect(await log.insert(member, transaction({ gid: 'today' }), 'other')).toMatchObject({ inserted: true });
  expect(await log.insert(member, transaction({ gid: 'tomorrow' }), 'other')).toMatchObject({ sameContent: false });
  expect(told.at(-1)).toMatchObject({ fields: { partition: expect.stringMatching(/^history_\d+$/), transactions: 1 } });
});

test('what ended on a day without a partition is kept all the same, and goes row by row', async () => {
  now += 20 * DAY_MS;
  const uncovered = await finish('uncovered');
  expect(await inDefault()).toBe(1);
  expect(await log.get('uncovered')).toEqual(uncovered);
  await retention().run();
  // Its day stays as it is; the next ones have theirs.
  expect(await partitions()).not.toContain(dayOf(now));
  expect(await partitions()).toContain(dayOf(now + DAY_MS));
  now += 29 * DAY_MS;
  await retention().run();
  expect(await log.get('uncovered')).toEqual(uncovered);
  now += 2 * DAY_MS;
  expect(await retention().run()).toBe(true);
  expect([await inDefault(), await claimed(), await log.get('uncovered')]).toEqual([0, [], null]);
});

test('a long retention has few partitions', async () => {
  now += 20 * DAY_MS;
  await retention(3650).run();
  expect((await partitions()).filter((name) => name >= dayOf(now))).toEqual([
    dayOf(now),
    'history_before',
    'history_default',
  ]);
  await finish('late', now + 100 * DAY_MS);
  expect(await inDefault()).toBe(0);
  const end = now + 115 * DAY_MS;
  now += 110 * DAY_MS;
  await retention(30).run();
  // Narrower ones begin where the wide one ends.
  expect(await partitions()).toEqual(
    expect.arrayContaining([dayOf(end), dayOf(end + DAY_MS), dayOf(now + 7 * DAY_MS)]),
  );
});

test('a machine whose clock is wrong drops nothing: the time is that of the database', async () => {
  await finish('today');
  const before = await partitions();
  now += 400 * DAY_MS;
  expect(await new Retention({ url: database.url, days: () => 30, leaseMs: 5000 }, locks, clock, logger).run()).toBe(
    true,
  );
  expect([await partitions(), (await log.get('today'))?.tx.status]).toEqual([before, 'committed']);
});

test('new partitions do not look through what has none, while nobody can use history', async () => {
  now = Math.floor(now / DAY_MS) * DAY_MS + 20.5 * DAY_MS;
  await finish('uncovered');
  await retention().run();
  expect(await partitions()).toContain(dayOf(now + 7 * DAY_MS));
  expect(notices.filter((notice) => /default partition.*is implied by existing constraints/.test(notice))).toHaveLength(
    7,
  );
  expect(notices.filter((notice) => notice === 'verifying table "history_default"')).toHaveLength(7);
  // Each was verified before, by VALIDATE; and nothing is refused afterwards.
  await finish('later', now + 30 * DAY_MS);
  expect(await inDefault()).toBe(2);
});

test('killed before a partition was attached: the next run takes what that left out of the way', async () => {
  await finish('far', now + 25 * DAY_MS);
  await admin.query(`ALTER TABLE tercet.history_default ADD CONSTRAINT history_unattached
                       CHECK (ended_at < now() + interval '40 days') NOT VALID`);
  expect(await retention().run()).toBe(true);
  await finish('refused before', now + 50 * DAY_MS);
  expect(await inDefault()).toBe(2);
});

test('a step that takes too long keeps none of the others from being done', async () => {
  await finish('old');
  await admin.query(`
    CREATE FUNCTION slowly() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); END';
    CREATE EVENT TRIGGER slow ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION slowly()`);
  now += 40 * DAY_MS;
  expect(await retention().run()).toBe(false);
  expect([await log.get('old'), await claimed()]).toEqual([null, []]);
  expect(told[0]?.message).toMatch(/takes too long/);
});

test('however short the lease, it waits less for a lock than a flush does', async () => {
  const waits: number[] = [];
  class Asked extends Retention {
    protected override async now(client: pg.Client): Promise<number> {
      const { rows } = await client.query<{ ms: number }>(
        `SELECT setting::int AS ms FROM pg_settings WHERE name = 'lock_timeout'`,
      );
      waits.push(rows[0]!.ms);
      return super.now(client);
    }
  }
  for (const leaseMs of [500, 1000, 5000])
    await new Asked({ url: database.url, days: () => 30, leaseMs }, locks, clock, logger).run();
  // A flush waits for a tenth of half a lease.
  expect(waits).toEqual([12, 25, 100]);
});

test('two at once: one looks after history, the other leaves it', async () => {
  await finish('old');
  now += 40 * DAY_MS;
  expect(await Promise.all([1, 2, 3].map(() => retention().run()))).toEqual([true, true, true]);
  expect(told.filter(({ message }) => /new partitions/.test(message))).toHaveLength(1);
  expect(told.filter(({ fields }) => 'transactions' in fields && fields.transactions === 1)).toHaveLength(1);
});

test('who lost the lock while he looked after history drops nothing more, and says so', async () => {
  await finish('old');
  now += 40 * DAY_MS;
  class Robbed extends Retention {
    protected override async now(): Promise<number> {
      await locks.store.seize('tercet.retention');
      return now;
    }
  }
  const robbed = new Robbed({ url: database.url, days: () => 30, leaseMs: 5000 }, locks, clock, logger);
  expect(await robbed.run()).toBe(false);
  expect(told.at(-1)).toMatchObject({ message: expect.stringMatching(/tried again/) as string });
  expect((await log.get('old'))?.tx.status).toBe('committed');
  expect(await retention().run()).toBe(true);
  expect(await log.get('old')).toBeNull();
});

test('which locks people took from their holders is kept as long as history', async () => {
  await admin.query(`INSERT INTO tercet.lock_release (name, token, node, since, released_by, reason, released_at)
                     SELECT 'a', day, 'n', now(), 'anna', 'why', now() - day * interval '1 day' FROM (VALUES (29), (31)) AS v (day)`);
  expect(await retention().run()).toBe(true);
  expect((await admin.query<{ token: string }>('SELECT token FROM tercet.lock_release')).rows).toEqual([
    { token: '29' },
  ]);
});

test('a node of an earlier version that looks after history by its advisory lock does no harm', async () => {
  await finish('old');
  now += 40 * DAY_MS;
  await admin.query('SELECT pg_advisory_lock(83720002)');
  // As far as that one has come.
  await admin.query(`ALTER TABLE tercet.history DETACH PARTITION tercet.${dayOf(now - 40 * DAY_MS)}`);
  expect(await retention().run()).toBe(true);
  expect(await claimed()).toEqual([]);
});

test('killed after a partition was taken out: its gids can be begun anew, and the next run ends what was begun', async () => {
  for (const gid of ['again', 'old', 'other']) await finish(gid);
  await admin.query(`ALTER TABLE tercet.history DETACH PARTITION tercet.${dayOf(now)}`);
  expect([await log.get('old'), await log.contentHash('old')]).toEqual([null, null]);
  expect(await log.register('old', branch('a'))).toBeNull();
  const anew = await Promise.all(
    [HASH, 'b', 'c'].map((hash) => log.insert(member, transaction({ gid: 'again' }), hash)),
  );
  expect(anew.filter(({ inserted }) => inserted)).toHaveLength(1);
  now += 40 * DAY_MS;
  expect(await retention().run()).toBe(true);
  expect(await claimed()).toEqual(['again']);
  expect(await partitions()).not.toContain(dayOf(now - 40 * DAY_MS));
  expect(await log.insert(member, transaction({ gid: 'again' }), 'd')).toMatchObject({ inserted: false });
});

test('killed while it frees gids: the next run goes on from there', async () => {
  for (const gid of ['a', 'b']) await finish(gid);
  await admin.query('BEGIN');
  await admin.query(`SELECT FROM tercet.gid WHERE gid = 'b' FOR UPDATE`);
  now += 40 * DAY_MS;
  const killer = new pg.Client({ connectionString: database.url });
  await killer.connect();
  let isKilled = false;
  await until('a run was killed', async () => {
    const run = retention().run();
    let isOver = false;
    void run.then(() => (isOver = true));
    while (!isKilled && !isOver) {
      const { rowCount } = await killer.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name = 'tercet retention' AND datname = current_database() AND wait_event_type = 'Lock'`,
      );
      isKilled = (rowCount ?? 0) > 0;
    }
    expect(await run).toBe(false);
    return isKilled;
  });
  await killer.end();
  expect([await log.get('a'), await claimed()]).toEqual([null, ['a', 'b']]);
  await admin.query('ROLLBACK');
  expect(await retention().run()).toBe(true);
  expect(await claimed()).toEqual([]);
});

test('who reads for long keeps history as it is, and nothing from ending', async () => {
  await finish('old');
  await admin.query('BEGIN');
  await admin.query('SELECT FROM tercet.history');
  const later = now + 40 * DAY_MS;
  now = later;
  expect(await retention().run()).toBe(false);
  expect((await log.get('old'))?.tx.status).toBe('committed');
  await finish('new');
  await admin.query('ROLLBACK');
  expect(await retention().run()).toBe(true);
  expect(await claimed()).toEqual(['new']);
});

test('a user who may only use the tables is told what is missing, and what ends is kept as long', async () => {
  const name = `user_${Math.random().toString(36).slice(2)}`;
  await admin.query(`CREATE ROLE ${name} LOGIN PASSWORD 'secret';
    GRANT USAGE ON SCHEMA tercet TO ${name};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tercet TO ${name};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA tercet TO ${name}`);
  const url = new URL(database.url);
  url.username = name;
  url.password = 'secret';
  await prepareDatabase(url.href, 'off', quiet);
  now += 20 * DAY_MS;
  await finish('a');
  expect(await retention(30, url.href).run()).toBe(true);
  expect(told[0]?.message).toMatch(/make the database user a member of the role that owns tercet.history/);
  now += 31 * DAY_MS;
  expect(await retention(30, url.href).run()).toBe(true);
  expect(await claimed()).toEqual([]);
  await admin.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`);
});

test('stopped while it runs it ends soon and says nothing; without a database it says so', async () => {
  const stopped = retention();
  stopped.start();
  await stopped.stop();
  expect(told).toEqual([]);
  const gone = new URL(database.url);
  gone.pathname = '/no_such_database';
  expect(await retention(30, gone.href).run()).toBe(false);
  expect(told).toMatchObject([{ fields: { error: expect.stringMatching(/no_such_database/) as string } }]);
});

test('stopped while its server is frozen it ends all the same', async () => {
  const proxy = await Proxy.start(database.url);
  const stopped: Promise<void>[] = [];
  const freeze = (): void => {
    proxy.silence();
    stopped.push(frozen.stop());
  };
  const frozen = new Later({ url: proxy.url, leaseMs: 5000, days: () => 30 }, locks, clock, {
    ...logger,
    info: freeze,
  });
  now += 3 * DAY_MS;
  expect(await frozen.run()).toBe(false);
  expect(await Promise.all(stopped)).toHaveLength(1);
  await proxy.stop();
});

test('frozen in the middle of a guarded change it holds up history for a moment only', async () => {
  await finish('old');
  now += 40 * DAY_MS;
  let hasFrozen = false;
  class Freezing extends Later {
    protected override async now(client: pg.Client): Promise<number> {
      const query = client.query.bind(client) as (text: string, values?: unknown[]) => Promise<unknown>;
      const frozen = new Promise<never>((_resolve, reject) => client.once('end', () => reject(new Error('thawed'))));
      frozen.catch(() => undefined);
      const freezing = async (text: string, values?: unknown[]): Promise<unknown> => {
        const answer = await query(text, values);
        if (!text.includes('DETACH PARTITION')) return answer;
        hasFrozen = true;
        return frozen;
      };
      client.query = freezing as typeof client.query;
      return super.now(client);
    }
  }
  const running = new Freezing({ url: database.url, days: () => 30, leaseMs: 5000 }, locks, clock, logger).run();
  expect(await running).toBe(false);
  expect(hasFrozen).toBe(true);
  await finish('new');
});

withOwnRedis()('with its lock in Redis', () => {
  test('it waits while Redis is away, and does what is due once it is back', async () => {
    const redis = await startRedis();
    const inRedis = new Locks(fenced(new RedisLocks(redis.named()), { pool, table: 'tercet.lock' }));
    let again: (() => void) | null = null;
    const after = (_ms: number, run: () => void): (() => void) => {
      again = run;
      return () => undefined;
    };
    const waiting = new Later(
      { url: database.url, days: () => 30, leaseMs: 5000 },
      inRedis,
      { ...clock, after },
      logger,
    );
    try {
      await finish('old');
      now += 31 * DAY_MS;
      await redis.kill();
      waiting.start();
      await until('it will try again', async () => again !== null);
      expect(told).toEqual([{ message: expect.stringContaining('tried again'), fields: expect.anything() }]);
      expect(await claimed()).toEqual(['old']);
      await redis.restart();
      again!();
      await until('it has done it', async () => (await claimed()).length === 0);
    } finally {
      await waiting.stop();
      await inRedis.close();
      await redis.stop();
    }
  });
});
