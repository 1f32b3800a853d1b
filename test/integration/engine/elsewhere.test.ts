/** What one node drives, and another one was told: whoever asks either hears the same, and soon. */
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { ACCEPTED, DONE, EngineNode, newBranch, request, Services, SETTLED, until } from './node.js';

const logger = { info() {}, warn() {}, error() {} };
const LEASE_MS = 3000;

let database: TestDatabase;
let north: EngineNode;
let south: EngineNode;
const services = new Services();

beforeAll(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
  const start = (node: string) => EngineNode.start({ url: database.url, services, node, leaseMs: LEASE_MS });
  north = await start('north');
  south = await start('south');
});

afterAll(async () => {
  await north.stop();
  await south.stop();
  await database.drop();
});

beforeEach(() => {
  services.answer = () => DONE;
  services.asked.length = 0;
});

test('who waits for a decision is shown no less than who only looks', async () => {
  await north.coordinator.begin(request('shown', 0, { drive: 'initiator' }), ACCEPTED);
  await north.coordinator.register('shown', newBranch('a'));
  await south.coordinator.register('shown', newBranch('b'));
  const waited = await north.coordinator.get('shown', { until: 'decided', ms: 20 });
  expect(waited.branches.map(({ branchId }) => branchId)).toEqual(['a', 'b']);
  const again = await north.coordinator.begin(request('shown', 0, { drive: 'initiator' }), {
    until: 'decided',
    ms: 20,
  });
  expect(again.tx).toEqual(waited);
});

test('who waits where it was begun is told the end that was decided elsewhere', async () => {
  await north.coordinator.begin(request('decided', 1, { drive: 'initiator' }), ACCEPTED);
  const waiting = north.coordinator.get('decided', SETTLED);
  const submitted = await south.coordinator.submit('decided', SETTLED);
  expect(submitted.tx.status).toBe('committed');
  expect(await waiting).toEqual(submitted.tx);
  // And so is who comes when all is over.
  expect((await north.coordinator.submit('decided', SETTLED)).tx).toEqual(submitted.tx);
});

test('a transaction that was aborted elsewhere is called no more within about a lease, though nobody waits', async () => {
  services.answer = ({ op }) => (op === 'try' ? { kind: 'pending', retryAfterMs: 100 } : DONE);
  await north.coordinator.begin(request('aborted', 1), ACCEPTED);
  await until(() => services.opsOf('aborted', 'b0').length > 1);
  await south.coordinator.abort('aborted', null, SETTLED);
  const triesOfNorth = (): number => services.asked.filter(({ node, op }) => node === 'north' && op === 'try').length;
  let before = -1;
  // It has stopped when a pause as long as three tries brings none.
  while (before !== triesOfNorth()) {
    before = triesOfNorth();
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  expect(before).toBeLessThan((3 * LEASE_MS) / 100);
});

test('a try that waited in line while its transaction was aborted does not leave', async () => {
  let letIn = (): void => undefined;
  const queue = new Promise<void>((resolve) => {
    letIn = resolve;
  });
  const left: boolean[] = [];
  const queued = services.asSeenBy('north');
  const behind = {
    ...queued,
    call: async (call: Parameters<typeof queued.call>[0]) => {
      if (call.op === 'try') {
        await queue;
        left.push(call.mayLeave());
      }
      return queued.call(call);
    },
  };
  const node = await EngineNode.start({ url: database.url, services, node: 'busy', participants: behind });
  await node.coordinator.begin(request('in-line', 1), ACCEPTED);
  await node.coordinator.abort('in-line', null, ACCEPTED);
  letIn();
  expect((await node.coordinator.get('in-line', SETTLED)).status).toBe('aborted');
  expect(left).toEqual([false]);
  expect(services.opsOf('in-line', 'b0')).toEqual(['cancel']);
  await node.stop();
});

test('a node takes over all that a dead one left, however much of it only waits', async () => {
  const dead = await EngineNode.start({ url: database.url, services, node: 'dead' });
  const begun = Array.from({ length: 10_500 }, (_, index) =>
    dead.coordinator.begin(request(`waits-${index}`, 0, { drive: 'initiator', deadlineMs: 3_600_000 }), ACCEPTED),
  );
  await Promise.all(begun);
  services.answer = ({ op }) => (op === 'confirm' ? { kind: 'pending', retryAfterMs: 200 } : DONE);
  await dead.coordinator.begin(request('last', 1), { until: 'decided', ms: 60_000 });
  await dead.stop();
  services.answer = () => DONE;
  expect((await north.coordinator.get('last', SETTLED)).status).toBe('committed');
});

test('a drain answers who still waits with what is known', async () => {
  const node = await EngineNode.start({ url: database.url, services, node: 'leaving' });
  await node.coordinator.begin(request('left', 0, { drive: 'initiator' }), ACCEPTED);
  const waiting = node.coordinator.get('left', SETTLED);
  await node.stop();
  expect(await waiting).toMatchObject({ gid: 'left', status: 'open' });
});

test('a drain ends though the log is gone', async () => {
  const node = await EngineNode.start({ url: database.url, services, node: 'alone' });
  await node.log.close();
  await node.coordinator.drain(0);
});
