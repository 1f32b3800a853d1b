import pg from 'pg';
import { decidedBy, endedIfThrough } from '../../../src/domain/machine.js';
import type { Transaction } from '../../../src/domain/transaction.js';
import type { Held, Member } from '../../../src/engine/ports.js';
import { bucketOf } from '../../../src/outbox/message.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { PostgresLog } from '../../../src/storage/transaction-log.js';
import { checkBranch, delivery, halfMessage, newGid, transaction } from '../../contract/sample.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';

const logger = { info() {}, warn() {}, error() {} };
const AT = Date.UTC(2026, 0, 2, 3, 5);

let database: TestDatabase;
let admin: pg.Client;
let log: PostgresLog;
let member: Member;
let wakes = 0;

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
  await admin.query('TRUNCATE tercet.outbox');
  wakes = 0;
  log = new PostgresLog({ url: database.url, leaseMs: 5000 }, logger, undefined, () => (wakes += 1));
  member = await log.join('north', 60_000);
});

afterEach(() => log.close());

async function begun(tx: Transaction): Promise<Held> {
  return (await log.insert(member, tx, 'a'.repeat(64))).held;
}

function committed(tx: Transaction): Transaction {
  return endedIfThrough(decidedBy(tx, 'commit', null, AT), AT);
}

async function rows() {
  const { rows: found } = await admin.query<{ bucket: number; message_id: string; headers: string }>(
    'SELECT bucket, message_id, headers FROM tercet.outbox ORDER BY id',
  );
  return found;
}

test('a message that the database refuses fails alone, and those around it keep their order', async () => {
  const bad = delivery('a', { topic: { topic: 'paid', key: '\u0000', headers: {} } });
  const half = await Promise.all(
    Array.from({ length: 40 }, (_, index) => begun(halfMessage([checkBranch(), index === 21 ? bad : delivery('a')]))),
  );
  const before = log.counts.flushes;
  const saves = await Promise.allSettled(half.map((held) => log.save(held, committed(held.tx), [])));
  expect(saves.flatMap(({ status }, index) => (status === 'rejected' ? [index] : []))).toEqual([21]);
  // They went out together, and were taken apart.
  expect(log.counts.flushes - before).toBeLessThan(39);
  const expected = half.flatMap(({ tx }, index) => (index === 21 ? [] : [`${tx.gid}/a`]));
  expect((await rows()).map(({ message_id }) => message_id)).toEqual(expected);
  expect((await log.get(half[21]!.tx.gid))?.tx.status).toBe('open');
});

test('a row says all that a consumer is told, and what the producer says of type, source and subject counts', async () => {
  const gid = newGid();
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const own = { ce_type: 'com.shop.paid', ce_subject: 'order/17', 'x-shop': 'north' };
  const plain = delivery('a', { topic: { topic: 'order-paid', key: 'order-17', headers: {} } });
  const told = delivery('b', { topic: { topic: 'order-paid', key: null, headers: own } });
  const held = await begun({ ...halfMessage([checkBranch(), plain, told], gid), trace });
  await log.save(held, committed(held.tx), []);
  const common = {
    ce_specversion: '1.0',
    ce_source: 'urn:tercet',
    ce_time: new Date(AT).toISOString(),
    ce_gid: gid,
    'content-type': 'application/json',
    traceparent: trace,
  };
  const [first, second] = await rows();
  expect(first?.bucket).toBe(bucketOf({ key: 'order-17', id: '' }));
  expect(JSON.parse(first?.headers ?? '')).toEqual({
    ...common,
    ce_id: `${gid}/a`,
    ce_branchid: 'a',
    ce_type: 'order-paid',
    ce_partitionkey: 'order-17',
  });
  expect(second?.bucket).toBe(bucketOf({ key: null, id: `${gid}/b` }));
  expect(JSON.parse(second?.headers ?? '')).toEqual({ ...common, ...own, ce_id: `${gid}/b`, ce_branchid: 'b' });
});

test('whoever relays is woken by what was queued, and by nothing else', async () => {
  const [saved, decided, aborted] = [
    await begun(halfMessage()),
    await begun(halfMessage()),
    await begun(halfMessage()),
  ];
  const held = await begun(transaction());
  await log.save(held, { ...held.tx, status: 'committed', decision: 'commit', decidedAt: AT, endedAt: AT }, []);
  await log.decide(member, aborted.tx, 'abort', null, AT, []);
  expect(wakes).toBe(0);
  await log.save(saved, committed(saved.tx), []);
  expect(wakes).toBe(1);
  await log.decide(member, decided.tx, 'commit', null, AT, []);
  expect(wakes).toBe(2);
});
