/** What a node owns, and what it knows of it, come apart: an answer was lost, or came late. */
import { LogOutcomeUnknown } from '../../../src/engine/ports.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { ACCEPTED, DONE, EngineNode, request, Services, UNKNOWN, until } from './node.js';

const logger = { info() {}, warn() {}, error() {} };
const ORDER = { who: 'somebody', reason: 'because' };
/** The next attempt comes when the test is over. */
const LATER = { baseMs: 600_000, capMs: 600_000, jitter: 0, maxAttempts: 100 };

let database: TestDatabase;
const nodes: EngineNode[] = [];

beforeAll(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
});
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop();
});
afterAll(() => database.drop());

async function start(node: string, services: Services, leaseMs = 1000): Promise<EngineNode> {
  const started = await EngineNode.start({ url: database.url, services, node, leaseMs, retry: LATER });
  nodes.push(started);
  return started;
}

test('what was taken away and back while the node looked what it owns is driven on', async () => {
  const services = new Services(({ op }) => (op === 'try' ? DONE : UNKNOWN));
  const [north, south] = [await start('north', services), await start('south', services)];
  await north.coordinator.begin(request('there-and-back', 1), ACCEPTED);
  await until(() => services.asked.some(({ op }) => op === 'confirm'));
  const owned = north.log.owned.bind(north.log);
  let isBack = false;
  north.log.owned = async (member) => {
    if (isBack) return owned(member);
    await south.coordinator.operator.act('there-and-back', 'retry', ORDER);
    const answer = await owned(member);
    await north.coordinator.operator.act('there-and-back', 'retry', ORDER);
    isBack = true;
    return answer;
  };
  await until(() => isBack);
  await north.coordinator.begin(request('next', 1), { until: 'decided', ms: 60_000 });
  services.answer = () => DONE;
  await north.coordinator.operator.act('there-and-back', 'park', ORDER);
  expect(north.coordinator.underWay().map(({ saved }) => saved.tx.gid)).not.toContain('there-and-back');
  await north.coordinator.operator.act('there-and-back', 'resume', ORDER);
  await north.coordinator.operator.act('there-and-back', 'retry', ORDER);
  await until(async () => (await north.log.get('there-and-back'))?.tx.status === 'committed');
});

test('a submit whose answer was lost is driven on, though nobody asks for it', async () => {
  const services = new Services(() => DONE);
  const north = await start('north', services);
  const lasting = { drive: 'initiator', deadlineMs: 600_000 } as const;
  await north.coordinator.begin(request('submitted', 1, lasting), ACCEPTED);
  const decide = north.log.decide.bind(north.log);
  north.log.decide = async (...args) => {
    await decide(...args);
    throw new LogOutcomeUnknown('the answer was lost');
  };
  await expect(north.coordinator.submit('submitted', ACCEPTED)).rejects.toBeInstanceOf(LogOutcomeUnknown);
  await until(async () => (await north.log.get('submitted'))?.tx.status === 'committed');
});

test('a park whose answer was lost is known to the drive before the next attempt is due', async () => {
  const services = new Services(({ op }) => (op === 'try' ? DONE : UNKNOWN));
  const north = await start('north', services);
  await north.coordinator.begin(request('parked', 1), ACCEPTED);
  await until(async () => (await north.log.get('parked'))?.tx.branches[0]?.attempts === 1);
  const save = north.log.save.bind(north.log);
  north.log.save = async (...args) => {
    north.log.save = save;
    await save(...args);
    throw new LogOutcomeUnknown('the answer was lost');
  };
  const parking = north.coordinator.operator.act('parked', 'park', ORDER);
  await expect(parking).rejects.toBeInstanceOf(LogOutcomeUnknown);
  // It waits for its next attempt until it hears; then there is nothing to wait for.
  await until(() => north.coordinator.underWay().every(({ saved }) => saved.tx.gid !== 'parked'));
  expect(services.opsOf('parked', 'b0')).toEqual(['try', 'confirm']);
});
