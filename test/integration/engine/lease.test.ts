/** A node says why it has no lease. */
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { ManualClock } from '../../participants/manual-clock.js';
import { createDatabase } from '../../support/postgres.js';
import { EngineNode, Services, until } from './node.js';

test('a lease that ran out because this node did not come round to it is said to have, until it is renewed', async () => {
  const database = await createDatabase();
  await prepareDatabase(database.url, 'auto', { info() {}, warn() {}, error() {} });
  const clock = new ManualClock();
  const node = await EngineNode.start({ url: database.url, services: new Services(), clock, leaseMs: 60_000 });
  expect(node.coordinator.problems()).toEqual([]);
  // As after a pause of the whole process: the renewal that was due leaves only now.
  clock.pass(60_000);
  expect(node.coordinator.problems()).toEqual(['lease: it ran out, and the database has not renewed it yet']);
  await until(() => node.coordinator.problems().length === 0);
  await node.stop();
  await database.drop();
});
