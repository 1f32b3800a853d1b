/** A saga that runs ahead of the log, as those see it who look, order something or take over. */
import type { Outcome } from '../../../src/domain/transaction.js';
import type { Steering } from '../../../src/engine/ports.js';
import { Steady } from '../../../src/engine/steady.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { ACCEPTED, DONE, EngineNode, sagaRequest, Services, SETTLED, UNKNOWN, until } from './node.js';
import type { Asked } from './node.js';

const logger = { info() {}, warn() {}, error() {} };
const REFUSED: Outcome = { kind: 'refused', reason: 'sold out' };

let database: TestDatabase;
let services: Services;
let north: EngineNode;
let south: EngineNode;
let count = 0;

beforeAll(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
});
afterAll(() => database.drop());
beforeEach(async () => {
  services = new Services();
  north = await EngineNode.start({ url: database.url, services });
  south = await EngineNode.start({ url: database.url, services, node: 'south' });
});
afterEach(() => Promise.all([north.stop(), south.stop()]));

/** A saga of three that north drives, whose second action has left and is not answered yet. */
async function halfWay(): Promise<{ gid: string; answer: (outcome: Outcome) => void }> {
  const gid = `ahead${(count += 1)}`;
  let answer: (outcome: Outcome) => void = () => undefined;
  const answered = new Promise<Outcome>((resolve) => (answer = resolve));
  const isHeld = ({ op, branchId, node }: Asked): boolean => op === 'action' && branchId === 'b1' && node === 'north';
  services.answer = (asked) => (asked.gid === gid && isHeld(asked) ? answered : DONE);
  await north.coordinator.begin(sagaRequest(gid, 3), ACCEPTED);
  await until(async () => services.opsOf(gid, 'b1').length === 1);
  return { gid, answer };
}

const statesIn = async (log: EngineNode['log'], gid: string): Promise<string[] | undefined> =>
  (await log.get(gid))?.tx.branches.map(({ state }) => state);

test('who looks where it is driven sees what was called, though the log did not have it a moment before', async () => {
  const { gid, answer } = await halfWay();
  expect(await statesIn(south.log, gid)).toEqual(['started', 'waiting', 'waiting']);
  const { branches } = await north.coordinator.get(gid, null);
  expect(branches.map(({ state }) => state)).toEqual(['done', 'started', 'waiting']);
  const events = await north.coordinator.timeline(gid);
  expect(events.flatMap(({ kind, branchId }) => (kind === 'call' ? [branchId] : []))).toEqual(['b0']);
  answer(DONE);
  expect((await north.coordinator.get(gid, SETTLED)).status).toBe('committed');
});

test('its timeline alone makes it be written too', async () => {
  const { gid, answer } = await halfWay();
  const events = await north.coordinator.timeline(gid);
  expect(events.flatMap(({ kind, branchId }) => (kind === 'call' ? [branchId] : []))).toEqual(['b0']);
  answer(DONE);
  await north.coordinator.get(gid, SETTLED);
});

test('an abort where it is driven undoes what was called, and nothing else', async () => {
  const { gid, answer } = await halfWay();
  await north.coordinator.abort(gid, null, ACCEPTED);
  answer(DONE);
  const { branches } = await north.coordinator.get(gid, SETTLED);
  expect(branches.map(({ state }) => state)).toEqual(['compensated', 'compensated', 'waiting']);
  expect(services.opsOf(gid, 'b2')).toEqual([]);
});

test('an abort through another node undoes also what only may have been called', async () => {
  const { gid, answer } = await halfWay();
  const { tx } = await south.coordinator.abort(gid, null, SETTLED);
  expect(tx.branches.map(({ state }) => state)).toEqual(['compensated', 'compensated', 'compensated']);
  expect(services.asked.filter(({ op }) => op === 'compensate').map(({ branchId }) => branchId)).toEqual([
    'b2',
    'b1',
    'b0',
  ]);
  answer(UNKNOWN);
});

test('where two nodes drive it for a moment, what one hears refused does not make the other one forget', async () => {
  const { gid, answer } = await halfWay();
  const other = services.answer;
  services.answer = (asked) => (asked.node === 'south' && asked.op === 'action' ? REFUSED : other(asked));
  await south.coordinator.operator.act(gid, 'retry', { who: 'ann', reason: 'a test' });
  const { reason, branches } = await south.coordinator.get(gid, SETTLED);
  expect(reason).toMatchObject({ kind: 'refused', branchId: 'b0' });
  expect(branches.map(({ state }) => state)).toEqual(['compensated', 'compensated', 'compensated']);
  answer(UNKNOWN);
});

test('one that takes long stands in the log after a second, whoever looks', async () => {
  const { gid, answer } = await halfWay();
  await until(async () => (await statesIn(south.log, gid))?.join() === 'done,started,waiting');
  answer(DONE);
  expect((await north.coordinator.get(gid, SETTLED)).status).toBe('committed');
});

test('a node that leaves says what it never called, and nobody undoes that', async () => {
  const retry = { baseMs: 60_000, capMs: 60_000 };
  const leaving = await EngineNode.start({ url: database.url, services, node: 'leaving', retry });
  services.answer = ({ op, branchId }) => (op === 'action' && branchId === 'b1' ? UNKNOWN : DONE);
  await leaving.coordinator.begin(sagaRequest('left', 3), ACCEPTED);
  await until(async () => services.opsOf('left', 'b1').length === 1);
  await leaving.coordinator.drain(5000);
  await leaving.log.close();
  const { tx } = await south.coordinator.abort('left', null, SETTLED);
  expect([tx.status, services.opsOf('left', 'b2')]).toEqual(['aborted', []]);
});

test('what is written of a paused component says what was never called', async () => {
  const isPaused = (): boolean => services.opsOf('paused', 'b0').length > 0;
  const steering: Steering = Object.assign(new Steady(), { pausedBecause: () => (isPaused() ? 'by hand' : null) });
  const node = await EngineNode.start({ url: database.url, services, node: 'paused', steering });
  await node.coordinator.begin(sagaRequest('paused', 3), ACCEPTED);
  await until(async () => (await statesIn(south.log, 'paused'))?.[0] === 'done');
  const { status, branches } = (await south.log.get('paused'))!.tx;
  expect([status, ...branches.map(({ ahead }) => ahead)]).toEqual(['open', false, false, false]);
  await node.stop();
});
