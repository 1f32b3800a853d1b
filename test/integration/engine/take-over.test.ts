import pg from 'pg';
import { PostgresLog } from '../../../src/storage/transaction-log.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { transaction } from '../../contract/sample.js';
import { ManualClock } from '../../participants/manual-clock.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { Proxy } from '../../support/proxy.js';
import { ACCEPTED, DONE, EngineNode, request, Services, SETTLED, until } from './node.js';
import type { Asked } from './node.js';

const logger = { info() {}, warn() {}, error() {} };

let database: TestDatabase;
let admin: pg.Client;
let proxy: Proxy;
const opened: EngineNode[] = [];

beforeEach(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
  admin = new pg.Client(database.url);
  await admin.connect();
  proxy = await Proxy.start(database.url);
});

afterEach(async () => {
  proxy.heal();
  for (const node of opened.splice(0)) await node.stop();
  await proxy.stop();
  await admin.end();
  await database.drop();
});

async function start(...[options]: Parameters<typeof EngineNode.start>): Promise<EngineNode> {
  const node = await EngineNode.start(options);
  opened.push(node);
  return node;
}

/** Says how many timers were set. */
class CountingClock extends ManualClock {
  timersSet = 0;

  override after(ms: number, run: () => void): () => void {
    this.timersSet += 1;
    return super.after(ms, run);
  }
}

/** Services that never answer a confirm of the node north. */
function silentToNorth(): Services {
  return new Services(({ node, op }) => (node === 'north' && op === 'confirm' ? new Promise(() => undefined) : DONE));
}

function confirms(services: Services, node: string): Asked[] {
  return services.asked.filter((asked) => asked.op === 'confirm' && asked.node === node);
}

test('the work of a dead node is taken over within its lease, and not while it lives', async () => {
  const leaseMs = 60_000;
  const services = silentToNorth();
  const north = await start({ url: proxy.url, services, leaseMs });
  await north.coordinator.begin(request('tx', 3), ACCEPTED);
  await until(() => confirms(services, 'north').length === 3);
  const clock = new CountingClock();
  const south = await start({ url: database.url, services, node: 'south', leaseMs, clock });
  // It has looked around once, and will renew its lease and look again.
  await until(() => clock.timersSet === 2);
  expect(await south.log.takeOver(await south.log.join('third', leaseMs), 10)).toEqual([]);
  const { rows } = await admin.query<{ left: number }>(
    `SELECT extract(epoch FROM until - now())::float8 * 1000 AS left FROM tercet.member WHERE node = 'north'`,
  );
  const leftMs = rows[0]!.left;
  proxy.silence();
  // As if its lease had run out; what is left of the time that was promised is the other one's to notice.
  await admin.query(`UPDATE tercet.member SET until = now() WHERE node = 'north'`);
  clock.pass(leaseMs - leftMs);
  await until(async () => (await south.log.get('tx'))?.tx.status === 'committed');
  expect(services.asked.filter(({ op }) => op === 'try')).toHaveLength(3);
  expect(confirms(services, 'south')).toHaveLength(3);
});

test('a node cut off from the log calls nobody once its lease is over, and what it hears late counts no more', async () => {
  const leaseMs = 1000;
  const answers: (() => void)[] = [];
  const services = new Services((asked) => {
    if (asked.node === 'south' || asked.op === 'try' || asked.branchId !== 'b0') return DONE;
    return new Promise((resolve) => answers.push(() => resolve({ kind: 'unknown', detail: 'late' })));
  });
  const north = await start({ url: proxy.url, services, leaseMs });
  await north.coordinator.begin(request('tx', 2), ACCEPTED);
  await until(() => answers.length === 1 && confirms(services, 'north').length === 2);
  proxy.silence();
  const south = await start({ url: database.url, services, node: 'south', leaseMs });
  await south.coordinator.get('tx', SETTLED);
  const before = [await south.log.get('tx'), await south.log.timeline('tx')];
  for (const answer of answers) answer();
  services.answer = () => DONE;
  proxy.heal();
  await until(() => north.coordinator.problems().length === 0);
  const { tx } = await north.coordinator.begin(request('next', 1), SETTLED);
  expect(tx.status).toBe('committed');
  expect([await south.log.get('tx'), await south.log.timeline('tx')]).toEqual(before);
  expect(confirms(services, 'north').filter(({ gid }) => gid === 'tx')).toHaveLength(2);
  expect(confirms(services, 'south')).toHaveLength(2);
});

test('two nodes share what a third left behind, and call no branch twice', async () => {
  const left = new PostgresLog({ url: database.url, leaseMs: 60_000 }, logger);
  const gone = await left.join('gone', 60_000);
  const begun = Array.from({ length: 500 }, () => transaction({ beganAt: Date.now() }));
  await Promise.all(begun.map((tx) => left.insert(gone, tx, 'x')));
  await left.leave(gone);
  await left.close();
  const services = new Services();
  const [north, south] = await Promise.all(
    ['north', 'south'].map((node) => start({ url: database.url, services, node, leaseMs: 1000 })),
  );
  for (const { gid } of begun) {
    expect((await north!.coordinator.get(gid, SETTLED)).status).toBe('committed');
    for (const branchId of ['a', 'b']) expect(services.opsOf(gid, branchId)).toEqual(['try', 'confirm']);
  }
  expect((await south!.log.list({ status: 'open', limit: 1 })).items).toEqual([]);
});
