/** PostgreSQL is stopped, frozen and restarted while transactions begin; the coordinator is left alone. */
import { fileURLToPath } from 'node:url';
import { Service as Process } from '../../examples/scenarios/processes.js';
import { TercetClient } from '../../src/client/index.js';
import { Service } from '../participants/service.js';
import { Load } from './load.js';
import { expectNothingUnfinished } from './purchase.js';
import { Server } from './server.js';

const script = fileURLToPath(new URL('../../bin/tercet.js', import.meta.url));

let server: Server;
let participant: Service;
let node: Process;

beforeAll(async () => {
  server = await Server.start();
  participant = await Service.start();
  const env = { DATABASE_URL: server.url, TERCET_LISTEN: '127.0.0.1:0', TERCET_LEASE_MS: '2000' };
  node = new Process({ name: 'coordinator', script, args: ['serve'], env });
  await node.start();
  await new TercetClient({ url: node.url }).putComponent('noop', { url: participant.url });
});

afterAll(async () => {
  await server.thaw();
  await node.signal('SIGTERM');
  await participant.stop();
  await server.remove();
});

async function readiness(): Promise<{ status: number; problems: string[] }> {
  const response = await fetch(`${node.url}/health/ready`);
  const { problems } = (await response.json()) as { problems: string[] };
  return { status: response.status, problems };
}

async function untilReady(status: number): Promise<string[]> {
  for (;;) {
    const ready = await readiness();
    if (ready.status === status) return ready.problems;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test.each<[string, (server: Server) => Promise<unknown>, (server: Server) => Promise<unknown>]>([
  ['stopped', (server) => server.crash(), (server) => server.start()],
  ['frozen', (server) => server.freeze(), (server) => server.thaw()],
])('what was acknowledged ends, and readiness tells the truth, although PostgreSQL is %s', async (name, down, up) => {
  const { pid } = node;
  const load = new Load(() => [node.url], 'noop', 1, name);
  await load.goesOn();
  await down(server);
  expect((await untilReady(503)).join()).toContain('database');
  expect((await fetch(`${node.url}/health/live`)).status).toBe(200);
  // Nobody is kept waiting for an answer, and nobody is told that something was accepted.
  for (const { answers } of await load.begunFromNow(8)) expect(answers[0]).toMatch(/^50[34] TERCET_/);
  await up(server);
  await untilReady(200);
  await load.goesOn();
  await load.stop();
  expect(node.pid).toBe(pid);

  const client = new TercetClient({ url: node.url });
  for (const gid of load.acknowledged) expect((await client.wait(gid, { waitMs: 60_000 })).status).toBe('committed');
  await expectNothingUnfinished(client);
});

test('what was acknowledged ends although PostgreSQL is restarted again and again', async () => {
  const load = new Load(() => [node.url], 'noop', 1, 'restarted');
  for (let times = 0; times < 3; times += 1) {
    await load.goesOn();
    await server.crash();
    await server.start();
  }
  await load.goesOn();
  await load.stop();
  const client = new TercetClient({ url: node.url });
  for (const gid of load.acknowledged) expect((await client.wait(gid, { waitMs: 60_000 })).status).toBe('committed');
  await expectNothingUnfinished(client);
});
