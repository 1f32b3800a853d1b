import pg from 'pg';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { PostgresLog } from '../../../src/storage/transaction-log.js';
import { transaction } from '../../contract/sample.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';

const logger = { info() {}, warn() {}, error() {} };

let database: TestDatabase;
let admin: pg.Client;
let log: PostgresLog;

const open = (): PostgresLog => new PostgresLog({ url: database.url, leaseMs: 5000 }, logger);

beforeAll(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  log = open();
});

afterAll(async () => {
  await log.close();
  await admin.end();
  await database.drop();
});

/** Counted when the sessions that did it have ended. */
async function statistics(): Promise<{ updates: number; hot: number; scanned: number }> {
  const { rows } = await admin.query<{ updates: number; hot: number; scanned: number }>(
    `SELECT n_tup_upd::int AS updates, n_tup_hot_upd::int AS hot, (seq_tup_read + idx_tup_fetch)::int AS scanned
       FROM pg_stat_user_tables WHERE schemaname = 'tercet' AND relname = 'transaction'`,
  );
  return rows[0]!;
}

test('what is no cursor of a page before is refused, naming the parameter', async () => {
  const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  for (const after of [
    '',
    'x',
    '%',
    encoded({}),
    encoded([1]),
    encoded(['1', 'g']),
    encoded([1.5, 'g']),
    encoded([1, 2]),
  ]) {
    await expect(log.list({ limit: 1, after })).rejects.toMatchObject({
      code: 'TERCET_REQUEST_INVALID',
      errors: [{ path: 'after', message: expect.any(String) as string }],
    });
  }
});

test('a filter that no row could meet is an empty page, and one that cannot be asked for is refused', async () => {
  expect(await log.list({ limit: 1, businessKey: 'nobody', from: 5, to: 4 })).toEqual({ items: [], next: null });
  for (const filter of [{ businessKey: 'a\u0000' }, { component: '\u0000' }, { from: -8.64e15 }]) {
    await expect(log.list({ limit: 1, ...filter })).rejects.toMatchObject({ code: 'TERCET_REQUEST_INVALID' });
  }
});

test('the clock of the database is known after joining', async () => {
  const before = log.clockOffsetMs;
  await log.join('north', 60_000);
  const { rows } = await admin.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  // Both run on one machine.
  expect(Math.abs(performance.now() + log.clockOffsetMs - rows[0]!.now.getTime())).toBeLessThan(1000);
  expect(log.clockOffsetMs).not.toBe(before);
});

test('a decision writes no index while there is room on the page of its transaction', async () => {
  const counted = open();
  const member = await counted.join('north', 60_000);
  const begun = await Promise.all(Array.from({ length: 200 }, () => counted.insert(member, transaction(), 'x')));
  await Promise.all(
    begun.map(({ held }) => {
      const branches = held.tx.branches.map((branch) => ({ ...branch, state: 'done' as const, reply: '{"held":300}' }));
      return counted.save(held, { ...held.tx, status: 'committing', decision: 'commit', decidedAt: 1, branches }, []);
    }),
  );
  await counted.close();
  let now = await statistics();
  while (now.updates < 200) now = await statistics();
  // Some of so many at once find their page full; an index on what a decision changes would make it none.
  expect(now.hot).toBeGreaterThan(100);
});

test('a page of long replies ends early, and the next one goes on behind it', async () => {
  const member = await log.join('north', 60_000);
  const businessKey = 'long';
  const begun = await Promise.all(
    Array.from({ length: 12 }, () => log.insert(member, transaction({ businessKey }), 'x')),
  );
  await Promise.all(
    begun.map(({ held }) => {
      const [first, ...others] = held.tx.branches;
      const branches = [{ ...first!, reply: JSON.stringify('x'.repeat(1_000_000)) }, ...others];
      return log.save(held, { ...held.tx, branches }, []);
    }),
  );
  const gids: string[] = [];
  const sizes: number[] = [];
  let after: string | null = null;
  do {
    const page = await log.list({ limit: 100, businessKey, ...(after === null ? {} : { after }) });
    gids.push(...page.items.map(({ tx }) => tx.gid));
    sizes.push(page.items.length);
    after = page.next;
  } while (after !== null);
  expect(sizes).toEqual([5, 5, 2]);
  expect(new Set(gids)).toEqual(new Set(begun.map(({ held }) => held.tx.gid)));
});

test('what is unfinished is known though all the connections of lists wait', async () => {
  const patient = new PostgresLog({ url: database.url, leaseMs: 60_000 }, logger);
  await admin.query('BEGIN');
  await admin.query('LOCK TABLE ONLY tercet.history IN ACCESS EXCLUSIVE MODE');
  let listed = 0;
  const lists = [1, 2].map(() => patient.list({ limit: 1 }).then(() => (listed += 1)));
  await patient.unfinished();
  await patient.historyAheadMs();
  expect(listed).toBe(0);
  await admin.query('ROLLBACK');
  await Promise.all(lists);
  expect(listed).toBe(2);
  await patient.close();
});
