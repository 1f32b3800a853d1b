import pg from 'pg';
import type { BeginRequest } from '../../../src/engine/begin.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { ACCEPTED, EngineNode, messageRequest, request, sagaRequest, Services, SETTLED, until } from './node.js';

const logger = { info() {}, warn() {}, error() {} };
const REFUSED = { kind: 'refused', reason: 'no' } as const;

let database: TestDatabase;
let admin: pg.Client;
let count = 0;

beforeAll(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
  await withoutVacuum();
  // From outside: looking into the database would itself count as a commit in it.
  admin = new pg.Client(process.env['TEST_POSTGRES_URL']);
  await admin.connect();
});

afterAll(async () => {
  await admin.end();
  await database.drop();
});

/** What it commits in the meantime, and when, is nothing of ours. */
async function withoutVacuum(): Promise<void> {
  const client = new pg.Client(database.url);
  await client.connect();
  await client.query(`DO $$ DECLARE name regclass; BEGIN
    FOR name IN SELECT oid FROM pg_class WHERE relnamespace = 'tercet'::regnamespace AND relkind = 'r' LOOP
      EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', name);
    END LOOP;
  END $$`);
  await client.end();
}

async function ask(statement: string): Promise<number> {
  const { rows } = await admin.query<{ value: string }>(statement, [new URL(database.url).pathname.slice(1)]);
  return Number(rows[0]?.value);
}

async function begun({ coordinator }: EngineNode, asked: BeginRequest): Promise<void> {
  await coordinator.begin(asked, SETTLED);
}

/** A half message, and what its producer says of it. */
const said =
  (what: 'submit' | 'abort') =>
  async ({ coordinator }: EngineNode, asked: BeginRequest): Promise<void> => {
    const { tx: half } = await coordinator.begin(asked, ACCEPTED);
    const { gid } = half;
    const { tx } = await (what === 'submit' ? coordinator.submit(gid, SETTLED) : coordinator.abort(gid, null, SETTLED));
    expect(tx.status).toBe(what === 'submit' ? 'committed' : 'aborted');
  };

/** Commits in the database while a new coordinator runs so many transactions, one after another, and stops. */
async function commitsOf(
  transactions: number,
  branches: number,
  asked: (gid: string, branches: number) => BeginRequest = request,
  run = begun,
): Promise<number> {
  const committed = (): Promise<number> => ask('SELECT xact_commit AS value FROM pg_stat_database WHERE datname = $1');
  const before = await committed();
  const node = await EngineNode.start({ url: database.url, services: new Services() });
  for (let index = 0; index < transactions; index += 1) {
    await run(node, asked(`c${(count += 1)}`, branches));
  }
  await node.stop();
  // A session says what it did when it ends.
  await until(async () => (await ask('SELECT count(*) AS value FROM pg_stat_activity WHERE datname = $1')) === 0);
  return (await committed()) - before;
}

test.each([1, 2, 5, 50])(
  'a TCC of %i branches is three durable writes, by the count of PostgreSQL',
  async (branches) => {
    const each = ((await commitsOf(62, branches)) - (await commitsOf(2, branches))) / 60;
    // Connections and the lease commit now and then, a few times in all.
    expect(each).toBeCloseTo(3, 0);
  },
);

/** With a last branch whose success decides: what comes before it is written before it is called. */
function withPivot(gid: string, count: number, after?: readonly (readonly number[])[]): BeginRequest {
  const asked = sagaRequest(gid, count, after);
  return {
    ...asked,
    branches: asked.branches.map((one, index) => (index === count - 1 ? { ...one, pivot: true } : one)),
  };
}

test.each([1, 2, 5, 20])(
  'a saga of %i branches that can be undone is two durable writes, by the count of PostgreSQL',
  async (branches) => {
    const each = ((await commitsOf(122, branches, sagaRequest)) - (await commitsOf(2, branches, sagaRequest))) / 120;
    expect(each).toBeCloseTo(2, 0);
  },
);

test.each([2, 5, 20])(
  'a saga of %i branches in order with a pivot is a durable write for each and one for the begin',
  async (branches) => {
    const each = ((await commitsOf(122, branches, withPivot)) - (await commitsOf(2, branches, withPivot))) / 120;
    expect(each).toBeCloseTo(branches + 1, 0);
  },
);

test.each([
  ['submit', 1],
  ['submit', 20],
  ['abort', 3],
] as const)(
  'a message with %s, for %i topics, is two durable writes, by the count of PostgreSQL',
  async (what, topics) => {
    const commits = (messages: number): Promise<number> => commitsOf(messages, topics, messageRequest, said(what));
    expect(((await commits(122)) - (await commits(2))) / 120).toBeCloseTo(2, 0);
  },
);

test.each(['submit', 'abort'] as const)('of a message with %s, both writes are in flushes', async (what) => {
  const node = await EngineNode.start({ url: database.url, services: new Services() });
  await said(what)(node, messageRequest(`c${(count += 1)}`, 3));
  expect(node.log.counts).toEqual({ flushes: 2, writes: 2 });
  await node.stop();
});

test('a message that its producer says nothing of is two writes too: the answer of a check decides and ends it', async () => {
  const node = await EngineNode.start({ url: database.url, services: new Services() });
  const { tx } = await node.coordinator.begin(messageRequest(`c${(count += 1)}`, 5, { afterMs: 0 }), SETTLED);
  expect(tx.status).toBe('committed');
  expect(node.log.counts).toEqual({ flushes: 2, writes: 2 });
  await node.stop();
});

test('branches of a saga with a pivot that stand side by side share their writes', async () => {
  const node = await EngineNode.start({ url: database.url, services: new Services() });
  const diamond = [[], [0], [0], [0], [1, 2, 3]];
  const { tx } = await node.coordinator.begin(withPivot(`c${(count += 1)}`, 5, diamond), SETTLED);
  expect(tx.status).toBe('committed');
  expect(node.log.counts).toEqual({ flushes: 4, writes: 4 });
  const wide = Array.from({ length: 50 }, () => []);
  await node.coordinator.begin(sagaRequest(`c${(count += 1)}`, 50, wide), SETTLED);
  expect(node.log.counts).toEqual({ flushes: 6, writes: 6 });
  await node.stop();
});

test.each([
  ['committed', 1],
  ['committed', 50],
  ['aborted', 1],
  ['aborted', 50],
] as const)('one that is %s with %i branches is three writes in three flushes', async (status, branches) => {
  const services = new Services(({ op, branchId }) =>
    status === 'aborted' && op === 'try' && branchId === 'b0' ? REFUSED : { kind: 'done', reply: '{"held":300}' },
  );
  const node = await EngineNode.start({ url: database.url, services });
  const { tx } = await node.coordinator.begin(request(`c${(count += 1)}`, branches), SETTLED);
  expect(tx.status).toBe(status);
  expect(node.log.counts).toEqual({ flushes: 3, writes: 3 });
  expect(services.asked).toHaveLength(2 * branches);
  await node.stop();
});

test('the end of a TCC that nobody waits for goes out with the next begin, and by itself when there is none', async () => {
  const node = await EngineNode.start({ url: database.url, services: new Services() });
  const gids = Array.from({ length: 60 }, () => `c${(count += 1)}`);
  for (const gid of gids) await node.coordinator.begin(request(gid, 2), { until: 'decided', ms: 30_000 });
  await until(async () => (await node.log.get(gids.at(-1) ?? ''))?.tx.status === 'committed');
  expect(node.log.counts.writes).toBe(180);
  expect(node.log.counts.flushes).toBeLessThan(150);
  await node.stop();
});

test('many at once share their commits, ends included', async () => {
  const node = await EngineNode.start({ url: database.url, services: new Services() });
  const begun = Array.from({ length: 300 }, () => node.coordinator.begin(request(`c${(count += 1)}`, 2), SETTLED));
  for (const { tx } of await Promise.all(begun)) expect(tx.status).toBe('committed');
  expect(node.log.counts.writes).toBe(900);
  expect(node.log.counts.flushes).toBeLessThan(90);
  await node.stop();
});
