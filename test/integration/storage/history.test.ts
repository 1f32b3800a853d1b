/** What has ended is in history, once, and found as before. */
import pg from 'pg';
import type { Held, Member } from '../../../src/engine/ports.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { PostgresLog } from '../../../src/storage/transaction-log.js';
import { branch, ended, transaction } from '../../contract/sample.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';

const logger = { info() {}, warn() {}, error() {} };
const HASH = 'a'.repeat(64);

let database: TestDatabase;
let admin: pg.Client;
let log: PostgresLog;
let member: Member;
let other: PostgresLog;
let stranger: Member;

const open = (): PostgresLog => new PostgresLog({ url: database.url, leaseMs: 5000 }, logger);

beforeAll(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  [log, other] = [open(), open()];
  member = await log.join('north', 600_000);
  stranger = await other.join('south', 600_000);
});

afterAll(async () => {
  await Promise.all([log.close(), other.close()]);
  await admin.end();
  await database.drop();
});

beforeEach(async () => {
  await admin.query('TRUNCATE tercet.transaction, tercet.branch, tercet.timeline, tercet.gid, tercet.history');
});

const event = { at: 1, node: 'north', kind: 'call' as const };
const begin = async (tx = transaction()): Promise<Held> => (await log.insert(member, tx, HASH)).held;
const finish = async (tx = transaction()): Promise<Held> => {
  const end = await log.save(await begin(tx), ended(tx), [event]);
  if (end === 'lost') throw new Error('the end was lost');
  return end;
};

/** Rows in each table. */
async function counts(): Promise<Record<string, number>> {
  const tables = ['transaction', 'branch', 'timeline', 'gid', 'history'];
  const { rows } = await admin.query<Record<string, number>>(
    `SELECT ${tables.map((name) => `(SELECT count(*)::int FROM tercet.${name}) AS ${name}`).join(', ')}`,
  );
  return rows[0]!;
}

/** Pages of the list, one after the other. */
async function pages(filter: object, limit: number, between: (shown: string[]) => Promise<void>): Promise<string[]> {
  const shown: string[] = [];
  let after: string | null = null;
  do {
    const page = await other.list({ ...filter, limit, ...(after === null ? {} : { after }) });
    shown.push(...page.items.map(({ tx }) => tx.gid));
    after = page.next;
    await between(shown);
  } while (after !== null);
  return shown;
}

const decided = ({ tx }: Held) => ({ ...tx, status: 'committing' as const, decision: 'commit' as const, decidedAt: 1 });
/** Saved so often that its timeline no longer stands in its row. */
async function written(held: Held): Promise<Held> {
  let saved: Held | 'lost' = held;
  for (let times = 0; times < 5 && saved !== 'lost'; times += 1) saved = await log.save(saved, decided(held), [event]);
  if (saved === 'lost') throw new Error('a save was lost');
  return saved;
}

test('a transaction that is written a few times is one row, until it is one of history', async () => {
  const held = await begin();
  const saved = await log.save(held, decided(held), [event, event]);
  expect(await counts()).toEqual({ transaction: 1, branch: 0, timeline: 0, gid: 1, history: 0 });
  expect(await other.get(held.tx.gid)).toEqual(saved);
  if (saved !== 'lost') await log.save(saved, ended(saved.tx), [event]);
  expect(await counts()).toEqual({ transaction: 0, branch: 0, timeline: 0, gid: 1, history: 1 });
  expect(await other.timeline(held.tx.gid)).toHaveLength(4);
});

test('what ends leaves the tables of the unfinished with all that belongs to it', async () => {
  const { tx } = await begin(transaction({ drive: 'initiator' }));
  const joined = await other.register(tx.gid, branch('late'));
  const saved = await written(joined!.held);
  expect(await counts()).toEqual({ transaction: 1, branch: tx.branches.length + 1, timeline: 3, gid: 1, history: 0 });
  expect(await other.timeline(tx.gid)).toHaveLength(6);
  await log.save(saved, ended(saved.tx), [event]);
  expect(await counts()).toEqual({ transaction: 0, branch: 0, timeline: 0, gid: 1, history: 1 });
  expect((await other.get(tx.gid))?.tx.branches.map(({ branchId }) => branchId)).toContain('late');
  expect(await other.timeline(tx.gid)).toHaveLength(7);
});

test('events are told in the order in which they were written, whoever wrote them, and where', async () => {
  const at = (time: number) => [{ ...event, at: time }];
  const { held } = await log.insert(member, transaction({ drive: 'initiator' }), HASH, at(1));
  let saved = await log.save(held, held.tx, at(2));
  for (const time of [3, 4, 5]) if (saved !== 'lost') saved = await log.save(saved, held.tx, at(time));
  const taken = await other.decide(stranger, held.tx, 'commit', null, 6, at(6));
  const last = taken && (await other.save(taken.held, ended(taken.held.tx), at(7)));
  expect(last).not.toBe('lost');
  const told = (await log.timeline(held.tx.gid))?.slice(1).map((one) => one.at);
  expect(told).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

test.each(['"text"', 'null', '12.50', '{"half":"\\ud800"}', '[{"a":"\\\\u"}]', '{"ü":"\\n\\u0001"}'])(
  'a payload %s stays as it is, in the row and in history',
  async (payload) => {
    const tx = transaction({ branches: [branch('a', { payload }), branch('b', { payload: '{"x":[1]}' })] });
    const held = await begin(tx);
    const payloads = async () => (await other.get(tx.gid))?.tx.branches.map((of) => of.payload);
    expect(await payloads()).toEqual([payload, '{"x":[1]}']);
    const { gid } = (await begin({ ...tx, gid: `${tx.gid}-2`, drive: 'initiator' })).tx;
    expect((await other.get(gid))?.tx.branches[0]?.payload).toBe(payload);
    await log.save(held, ended(held.tx), [{ ...event, detail: payload }]);
    expect(await payloads()).toEqual([payload, '{"x":[1]}']);
    expect((await other.timeline(tx.gid))?.at(-1)?.detail).toBe(payload);
  },
);

test('ends that two nodes write at once move each transaction exactly once', async () => {
  const begun = await Promise.all(Array.from({ length: 100 }, () => begin()));
  const results = await Promise.all([
    ...begun.map((held) => log.save(held, ended(held.tx), [event])),
    ...begun.toReversed().map((held) => other.save(held, ended(held.tx), [event])),
  ]);
  expect(results.filter((result) => result === 'lost')).toHaveLength(100);
  expect(await counts()).toEqual({ transaction: 0, branch: 0, timeline: 0, gid: 100, history: 100 });
  expect(await other.timeline(begun[0]!.tx.gid)).toHaveLength(2);
});

test('an end that is lost moves nothing', async () => {
  const held = await begin();
  const saved = await log.save(held, held.tx, [event]);
  if (saved === 'lost') throw new Error('the save was lost');
  for (const stale of [{ version: 1 }, { epoch: 2 }, { owner: stranger.id }]) {
    expect(await log.save({ ...saved, ...stale }, ended(held.tx), [event])).toBe('lost');
  }
  expect(await counts()).toEqual({ transaction: 1, branch: 0, timeline: 0, gid: 1, history: 0 });
  expect(await log.get(held.tx.gid)).toEqual(saved);
  expect(await log.timeline(held.tx.gid)).toHaveLength(2);
});

test('an end that races with a take-over counts, or leaves all to who took it', async () => {
  for (let round = 1; round <= 20; round += 1) {
    const held = await begin();
    const [end, taken] = await Promise.all([
      log.save(held, ended(held.tx), [event]),
      other.take(stranger, held.tx.gid),
    ]);
    expect([end === 'lost', taken === null].filter(Boolean)).toHaveLength(1);
    if (taken) expect(await other.save(taken, ended(taken.tx), [event])).not.toBe('lost');
    expect(await counts()).toEqual({ transaction: 0, branch: 0, timeline: 0, gid: round, history: round });
    expect(await other.timeline(held.tx.gid)).toHaveLength(2);
  }
});

test('paging while hundreds end and begin loses and repeats none', async () => {
  const began = 1_767_000_000_000;
  const begun = await Promise.all(
    Array.from({ length: 400 }, (_, index) => begin(transaction({ beganAt: began + Math.floor(index / 7) }))),
  );
  let isPaging = true;
  const ending = (async () => {
    const left = begun.toSorted(() => Math.random() - 0.5);
    while (left.length > 0) {
      const some = left.splice(0, 10);
      await Promise.all([...some.map((held) => log.save(held, ended(held.tx), [event])), begin(), finish()]);
    }
    while (isPaging) await finish();
  })();
  const rounds: string[][] = [];
  while (rounds.length < 3) rounds.push(await pages({ to: began + 1000 }, 17, () => Promise.resolve()));
  isPaging = false;
  await ending;
  const all = begun.map(({ tx }) => tx.gid).sort();
  for (const shown of rounds) expect(shown.toSorted()).toEqual(all);
});

test('beginning again while it ends finds what is recorded: no second one, no false conflict', async () => {
  for (let round = 0; round < 40; round += 1) {
    const held = await begin();
    const { gid } = held.tx;
    const again = (hash: string) => other.insert(stranger, transaction({ gid, branches: [branch('z')] }), hash);
    const [end, ...answers] = await Promise.all([
      log.save(held, ended(held.tx), [event]),
      ...Array.from({ length: 6 }, (_, index) => again(index % 2 ? HASH : 'other')),
    ]);
    expect(end).not.toBe('lost');
    for (const [index, answer] of answers.entries()) {
      expect(answer).toMatchObject({ inserted: false, sameContent: index % 2 === 1, held: { owner: member.id } });
    }
  }
  expect(await counts()).toEqual({ transaction: 0, branch: 0, timeline: 0, gid: 40, history: 40 });
});

test('a filter that finds little in much that ended gives short pages, and finds all of it', async () => {
  await admin.query(
    `INSERT INTO tercet.history (gid, mode, drive, begun_by, began_at, owner, epoch, version, status, ended_at,
                                 branches, payloads, events)
     SELECT 'old-' || n, 'tcc', 'coordinator', 'n', to_timestamp(1700000000 + n), 'o', 1, 2,
            CASE WHEN n = 3 THEN 'aborted' ELSE 'committed' END, now(),
            CASE WHEN n % 10000 = 7 THEN '[["account", "rare"]]' ELSE '[["rare", "account"]]' END, '["1"]', '[]'
       FROM generate_series(1, 45000) n`,
  );
  const older = await begin(transaction({ beganAt: 5, branches: [branch('x', { component: 'rare' })] }));
  const sizes: number[] = [];
  const shown = await pages({ component: 'rare' }, 100, async (so) => void sizes.push(so.length));
  expect(shown).toEqual(['old-40007', 'old-30007', 'old-20007', 'old-10007', 'old-7', older.tx.gid]);
  expect(sizes).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 5, 6]);
  expect(await other.list({ status: 'aborted', mode: 'saga', limit: 100 })).toEqual({ items: [], next: null });
  const aborted = await other.list({ status: 'aborted', limit: 100 });
  expect(aborted).toMatchObject({ items: [{ tx: { gid: 'old-3' } }], next: null });
  expect(await pages({ component: 'rare', status: 'committed' }, 1, () => Promise.resolve())).toHaveLength(5);
});

test('a flush looks for its own rows alone, though vacuum found nothing under way', async () => {
  for (let index = 0; index < 3; index += 1) await finish();
  await admin.query('VACUUM ANALYZE tercet.transaction, tercet.branch, tercet.timeline');
  const counted = open();
  const owner = await counted.join('east', 600_000);
  const begun = await Promise.all(
    Array.from({ length: 3000 }, () => counted.insert(owner, transaction({ drive: 'initiator' }), HASH)),
  );
  await admin.query('SELECT pg_stat_reset()');
  // Each takes a row, two branches and a piece of its timeline along.
  for (const { held } of begun.slice(0, 60)) {
    let saved: Held | 'lost' = held;
    for (let times = 0; times < 4 && saved !== 'lost'; times += 1) saved = await counted.save(saved, held.tx, [event]);
    if (saved !== 'lost') await counted.save(saved, ended(held.tx), [event]);
  }
  await counted.close();
  const read = async (): Promise<{ deleted: number; read: number }> => {
    const { rows } = await admin.query<{ deleted: number; read: number }>(
      `SELECT sum(n_tup_del)::int AS deleted, sum(seq_tup_read + idx_tup_fetch)::int AS read FROM pg_stat_user_tables
        WHERE schemaname = 'tercet' AND relname IN ('transaction', 'branch', 'timeline')`,
    );
    return rows[0]!;
  };
  let now = await read();
  while (now.deleted < 240) now = await read();
  expect(now.read).toBeLessThan(2000);
});
