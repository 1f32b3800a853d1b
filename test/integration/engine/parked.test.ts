import { prepareDatabase } from '../../../src/storage/data-source.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { DONE, EngineNode, request, Services, SETTLED, UNKNOWN, until } from './node.js';

const logger = { info() {}, warn() {}, error() {} };
const NO = { kind: 'refused', reason: 'no' } as const;
const PENDING = { kind: 'pending', retryAfterMs: 1 } as const;
const DECISIONS = [
  { decision: 'commit', op: 'confirm', branchEnd: 'confirmed', ended: 'committed' },
  { decision: 'abort', op: 'cancel', branchEnd: 'cancelled', ended: 'aborted' },
] as const;

let database: TestDatabase;
let node: EngineNode;

beforeAll(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
});

afterEach(() => node.stop());
afterAll(() => database.drop());

/** Three branches, the last of which may refuse; `b1` gives `stuck` to a confirm or cancel. */
function stuckServices(decision: 'commit' | 'abort', stuck: () => Awaited<ReturnType<Services['answer']>>): Services {
  return new Services(({ op, branchId }) => {
    if (op === 'try') return decision === 'abort' && branchId === 'b2' ? NO : DONE;
    return branchId === 'b1' ? stuck() : DONE;
  });
}

describe.each(DECISIONS)('decided for $decision', ({ decision, op, branchEnd, ended }) => {
  const status = decision === 'commit' ? 'committing' : 'aborting';

  test.each([
    { kind: 'unknown', answer: UNKNOWN, why: 'failed 3 times' },
    { kind: 'refused', answer: NO, why: 'refused: no' },
  ])('a branch that stays $kind is parked after its attempts, the decision kept, and resumed', async (stuck) => {
    const services = stuckServices(decision, () => stuck.answer);
    const options = { url: database.url, services, retry: { maxAttempts: 3 } };
    node = await EngineNode.start(options);
    const gid = `${decision}-${stuck.kind}`;
    const { tx, reached } = await node.coordinator.begin(request(gid, 3), SETTLED);
    expect(reached).toBe(false);
    expect(tx).toMatchObject({ status, decision, parked: { branchId: 'b1', op } });
    expect(tx.parked?.why).toContain(stuck.why);
    expect(services.opsOf(gid, 'b1')).toEqual(['try', op, op, op]);

    // Neither time nor another node changes that; the other branches went on to their end.
    await node.stop();
    node = await EngineNode.start(options);
    await until(async () => (await node.log.get(gid))!.epoch > 1);
    await node.coordinator.begin(request(`${gid}-next`, 1), { until: 'decided', ms: 60_000 });
    expect(services.opsOf(gid, 'b1')).toHaveLength(4);
    const parked = await node.coordinator.get(gid, null);
    expect(parked.branches.filter(({ state }) => state === branchEnd)).toHaveLength(2);
    expect((await node.coordinator.list({ parked: true, limit: 10 })).items.map((item) => item.gid)).toEqual([gid]);
    const opposite = decision === 'commit' ? 'abort' : 'submit';
    const turned =
      opposite === 'abort' ? node.coordinator.abort(gid, null, SETTLED) : node.coordinator.submit(gid, SETTLED);
    await expect(turned).rejects.toMatchObject({ code: 'TERCET_TRANSACTION_DECIDED' });

    services.answer = () => DONE;
    await node.coordinator.operator.act(gid, 'resume', { reason: 'repaired', who: 'me' });
    expect(await node.coordinator.get(gid, SETTLED)).toMatchObject({ status: ended, decision, parked: null });
    expect((await node.coordinator.list({ parked: true, limit: 10 })).items).toEqual([]);
  });

  test('a branch that stays pending is parked by age, uses up no attempt, and is resumed', async () => {
    const services = stuckServices(decision, () => PENDING);
    node = await EngineNode.start({ url: database.url, services, retry: { maxAgeMs: 100, maxAttempts: 1 } });
    const gid = `${decision}-pending`;
    const { tx, reached } = await node.coordinator.begin(request(gid, 3), SETTLED);
    expect(reached).toBe(false);
    expect(tx).toMatchObject({ status, decision, parked: { branchId: 'b1', op } });
    expect(tx.parked?.why).toContain('maxAgeMs');
    expect(tx.branches[1]).toMatchObject({ attempts: 0 });
    services.answer = () => DONE;
    await node.coordinator.operator.act(gid, 'resume', { reason: 'repaired', who: 'me' });
    expect(await node.coordinator.get(gid, SETTLED)).toMatchObject({ status: ended, decision });
  });
});

test('a transaction that kills each node that drives it ends parked all the same', async () => {
  // The first confirm that a node sends fails, and then the node is gone.
  const services: Services = new Services(({ op, node: name }) => {
    if (op === 'try') return DONE;
    const isFirst = services.asked.filter((asked) => asked.op === 'confirm' && asked.node === name).length === 1;
    return isFirst ? UNKNOWN : new Promise(() => undefined);
  });
  const options = { url: database.url, services, retry: { maxAttempts: 3 } };
  node = await EngineNode.start({ ...options, node: 'life-1' });
  await node.coordinator.begin(request('loop', 1), { until: 'decided', ms: 60_000 });
  for (const life of [2, 3]) {
    await until(async () => (await node.log.get('loop'))?.tx.branches[0]?.attempts === life - 1);
    await node.stop();
    node = await EngineNode.start({ ...options, node: `life-${life}` });
  }
  const { parked, decision } = await node.coordinator.get('loop', SETTLED);
  expect({ parked, decision }).toMatchObject({ decision: 'commit', parked: { branchId: 'b0', op: 'confirm' } });
});
