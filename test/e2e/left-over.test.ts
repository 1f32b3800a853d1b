/** `tercet serve` with its own PostgreSQL, killed: the server that it leaves behind is found by the next start. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Service } from '../../examples/scenarios/processes.js';
import { COORDINATOR } from '../../examples/scenarios/shop.js';
import { EmbeddedCluster } from '../../src/storage/embedded-cluster.js';
import { patientClient } from './purchase.js';
import { temporaryFolder } from './server.js';

let folder: string;
let cluster: EmbeddedCluster;
let coordinator: Service;

beforeAll(async () => {
  folder = await temporaryFolder();
  const env = { TERCET_DATA_DIR: folder, TERCET_LISTEN: '127.0.0.1:0', TERCET_LEASE_MS: '1000' };
  coordinator = new Service({ name: 'coordinator', ...COORDINATOR, env });
  await coordinator.start();
  cluster = await EmbeddedCluster.open(join(folder, 'postgres'));
});

afterAll(async () => {
  await coordinator.signal('SIGKILL');
  const running = await cluster.running();
  if (running) await cluster.stop(running.pid);
  await rm(folder, { recursive: true, force: true });
});

test('after kill -9 the next start uses the PostgreSQL left running, loses nothing, and stops it at its end', async () => {
  const server = await cluster.running();
  await patientClient(coordinator.url).begin({ gid: 'kept', drive: 'initiator' });
  await coordinator.signal('SIGKILL');
  expect(await cluster.running()).toEqual(server);
  await coordinator.start();
  expect(await cluster.running()).toEqual(server);
  const client = patientClient(coordinator.url);
  expect(await client.get('kept')).toMatchObject({ status: 'open', decision: null });
  expect(await client.submit('kept', { wait: 'settled' })).toMatchObject({ status: 'committed' });
  expect(await coordinator.signal('SIGTERM')).toBe(0);
  expect(await cluster.running()).toBeNull();
});

test('kill -9 of both, and of the PostgreSQL alone: nothing accepted is lost (G5)', async () => {
  await coordinator.start();
  const client = patientClient(coordinator.url);
  await client.begin({ gid: 'both', drive: 'initiator' });
  const crash = async (): Promise<void> => {
    const running = await cluster.running();
    if (running) process.kill(running.pid, 'SIGKILL');
  };
  await crash();
  // It starts its server again by itself, and takes requests as before.
  await client.begin({ gid: 'alone', drive: 'initiator' });
  await coordinator.signal('SIGKILL');
  await crash();
  await coordinator.start();
  const again = patientClient(coordinator.url);
  for (const gid of ['both', 'alone']) {
    expect(await again.submit(gid, { wait: 'settled' })).toMatchObject({ status: 'committed' });
  }
});
