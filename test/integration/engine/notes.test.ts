/** Whoever looks sees what a transaction waits for, also while nothing that counts has changed. */
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { ManualClock } from '../../participants/manual-clock.js';
import { ACCEPTED, DONE, EngineNode, request, Services, until } from './node.js';

const logger = { info() {}, warn() {}, error() {} };

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  await prepareDatabase(database.url, 'auto', logger);
});

afterAll(() => database.drop());

test('a confirm that is pending all the time is in the timeline, as one event with a count, at the price of few writes', async () => {
  const clock = new ManualClock();
  const services = new Services(({ op }) => (op === 'confirm' ? { kind: 'pending', retryAfterMs: 1000 } : DONE));
  // A member must not run out while the time of the test runs ahead of the database's.
  const node = await EngineNode.start({ url: database.url, services, clock, leaseMs: 600_000 });
  await node.coordinator.begin(request('patient', 1), ACCEPTED);
  const asked = (): number => services.opsOf('patient', 'b0').length;
  for (let second = 0; second < 60; second += 1) {
    await until(() => asked() >= second + 2);
    clock.pass(1000);
  }
  const told = async () => (await node.coordinator.timeline('patient')).filter(({ op }) => op === 'confirm');
  await until(async () => (await told()).length > 0);
  const events = await told();
  expect(events).toMatchObject([{ outcome: 'pending', attempt: 1 }]);
  expect(events[0]?.count).toBeGreaterThan(30);
  // The begin, the decision, and notes after 10, 20 and 40 seconds.
  expect((await node.log.get('patient'))?.version).toBeLessThanOrEqual(5);
  await node.stop();
});
