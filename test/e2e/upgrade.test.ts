/** Coordinators are drained and started again one at a time, as an upgrade does, while transactions begin. */
import { fileURLToPath } from 'node:url';
import { Service as Process } from '../../examples/scenarios/processes.js';
import { TercetClient } from '../../src/client/index.js';
import { Service } from '../participants/service.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { Load } from './load.js';
import { expectNothingUnfinished } from './purchase.js';

const script = fileURLToPath(new URL('../../bin/tercet.js', import.meta.url));

let database: TestDatabase;
let participant: Service;
let nodes: Process[];

beforeAll(async () => {
  database = await createDatabase();
  participant = await Service.start();
  nodes = ['one', 'two'].map((name) => {
    const env = { DATABASE_URL: database.url, TERCET_LISTEN: '127.0.0.1:0', TERCET_NODE: name };
    return new Process({ name, script, args: ['serve'], env });
  });
  for (const node of nodes) await node.start();
});

afterAll(async () => {
  for (const node of nodes) await node.signal('SIGTERM');
  await participant.stop();
  await database.drop();
});

test('no begin fails that was repeated once at the other coordinator, and every one of them is committed', async () => {
  const [first] = nodes;
  const client = new TercetClient({ url: first!.url });
  await client.putComponent('noop', { url: participant.url });
  const load = new Load(() => nodes.map(({ url }) => url), 'noop', 2);
  await load.goesOn();
  for (const node of [...nodes, ...nodes]) {
    expect(await node.signal('SIGTERM')).toBe(0);
    await load.goesOn();
    await node.start();
    await load.goesOn();
  }
  await load.stop();

  expect(load.told.filter(({ isAcknowledged }) => !isAcknowledged)).toEqual([]);
  // They were asked while they were away.
  expect(load.told.filter(({ answers }) => answers.length > 1).length).toBeGreaterThan(0);
  const after = new TercetClient({ url: first!.url });
  for (const gid of load.acknowledged) expect((await after.wait(gid, { waitMs: 60_000 })).status).toBe('committed');
  await expectNothingUnfinished(after);
}, 180_000);
