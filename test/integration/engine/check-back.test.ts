/** Check-back over a real log. Numbers of issues are those of apache/rocketmq that say what went wrong there. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { ACCEPTED, DONE, EngineNode, messageRequest, Services, SETTLED, UNKNOWN, until } from './node.js';

const logger = { info() {}, warn() {}, error() {} };
const AT_ONCE = { afterMs: 0, intervalMs: 5, maxAttempts: 10 };

let database: TestDatabase;
let admin: pg.Client;

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

async function rowsOf(table: string, gid: string): Promise<Record<string, unknown>[]> {
  const { rows } = await admin.query<Record<string, unknown>>(
    `SELECT xmin::text, ctid::text, t.* FROM tercet.${table} t WHERE gid = $1 ORDER BY 2`,
    [gid],
  );
  return rows;
}

test('#9500, #1568: a check that throws, always, holds up the checks of no other message', async () => {
  const services = new Services(({ gid }) => {
    if (gid.startsWith('poison')) throw new Error('a defect of whoever calls');
    return DONE;
  });
  const node = await EngineNode.start({ url: database.url, services });
  for (let index = 0; index < 20; index += 1) {
    await node.coordinator.begin(messageRequest(`poison-${index}`, 1, AT_ONCE), ACCEPTED);
    await node.coordinator.begin(messageRequest(`healthy-${index}`, 1, AT_ONCE), ACCEPTED);
  }
  for (let index = 0; index < 20; index += 1) {
    expect((await node.coordinator.get(`healthy-${index}`, SETTLED)).status).toBe('committed');
    const poisoned = await node.coordinator.get(`poison-${index}`, SETTLED);
    expect(poisoned).toMatchObject({ status: 'open', parked: { branchId: 'check' } });
  }
  await node.stop();
});

/** What stands beside the rows of tercet.transaction because it is long: which statement wrote each piece. */
async function pieces(): Promise<unknown[]> {
  const { rows } = await admin.query<{ name: string }>(
    `SELECT reltoastrelid::regclass::text AS name FROM pg_class WHERE oid = 'tercet.transaction'::regclass`,
  );
  const chunks = `SELECT chunk_id, chunk_seq, xmin::text FROM ${rows[0]!.name} ORDER BY 1, 2`;
  return (await admin.query<Record<string, unknown>>(chunks)).rows;
}

test('PR #1543: checks add no row, and long payloads are not written again', async () => {
  const services = new Services(() => UNKNOWN);
  const node = await EngineNode.start({ url: database.url, services });
  const asked = messageRequest('silent', 3, AT_ONCE);
  // As it is random it cannot be made shorter.
  const long = () => JSON.stringify(randomBytes(6000).toString('base64'));
  const branches = asked.branches.map((branch) => ({ ...branch, payload: long() }));
  await node.coordinator.begin({ ...asked, branches }, ACCEPTED);
  const written = await pieces();
  expect(written.length).toBeGreaterThan(4);
  expect((await node.coordinator.get('silent', SETTLED)).parked).toMatchObject({ branchId: 'check' });
  expect(services.opsOf('silent', 'check')).toHaveLength(AT_ONCE.maxAttempts);
  expect(await pieces()).toEqual(written);
  expect(await rowsOf('transaction', 'silent')).toHaveLength(1);
  const { rows } = await admin.query('SELECT FROM tercet.outbox WHERE message_id LIKE $1', ['silent/%']);
  expect(rows).toHaveLength(0);
  await node.stop();
});

test('#2840: a commit that was acknowledged stands in the outbox, also for a node that comes later', async () => {
  const node = await EngineNode.start({ url: database.url, services: new Services() });
  await node.coordinator.begin(messageRequest('acknowledged', 2), ACCEPTED);
  await node.coordinator.submit('acknowledged', ACCEPTED);
  const ids = async (): Promise<string[]> => {
    const statement = 'SELECT message_id FROM tercet.outbox WHERE message_id LIKE $1 ORDER BY id';
    const { rows } = await admin.query<{ message_id: string }>(statement, ['acknowledged/%']);
    return rows.map(({ message_id }) => message_id);
  };
  expect(await ids()).toEqual(['acknowledged/b0', 'acknowledged/b1']);
  await node.stop();
  const later = await EngineNode.start({ url: database.url, services: new Services(), node: 'south' });
  expect((await later.coordinator.submit('acknowledged', SETTLED)).tx.status).toBe('committed');
  await expect(later.coordinator.abort('acknowledged', null, SETTLED)).rejects.toThrow('a decision is for ever');
  expect(await ids()).toHaveLength(2);
  await later.stop();
});

test('#10545: messages of one key stand in the order in which two nodes decided them', async () => {
  const services = new Services();
  const north = await EngineNode.start({ url: database.url, services, leaseMs: 3000 });
  const south = await EngineNode.start({ url: database.url, services, node: 'south', leaseMs: 3000 });
  const gids = Array.from({ length: 20 }, (_, index) => `key-${String(99 - index)}`);
  for (const gid of gids) await north.coordinator.begin(messageRequest(gid, 1), ACCEPTED);
  for (const [index, gid] of gids.entries()) await (index % 3 ? north : south).coordinator.submit(gid, ACCEPTED);
  const { rows } = await admin.query<{ message_id: string }>(
    `SELECT message_id FROM tercet.outbox WHERE message_id LIKE 'key-%' ORDER BY bucket, id`,
  );
  expect(rows.map(({ message_id }) => message_id)).toEqual(gids.map((gid) => `${gid}/b0`));
  // What another node decided and ended is not asked after: whoever drove it hears of it.
  await until(() => north.coordinator.underWay().every(({ saved }) => !gids.includes(saved.tx.gid)));
  expect(services.asked).toEqual([]);
  await south.stop();
  await north.stop();
});
