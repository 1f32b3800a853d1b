/**
 * docker-compose.yml without containers: its processes with its environment, keys and secret, behind its proxy; only
 * addresses and databases are those of this machine.
 */
import { fileURLToPath } from 'node:url';
import { freePort, Service as Process } from '../../examples/scenarios/processes.js';
import { TercetClient } from '../../src/client/index.js';
import { yaml } from '../ops/compose.js';
import type { Compose } from '../ops/compose.js';
import { atHome, Haproxy, haproxy } from '../ops/haproxy.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';

const compose = yaml('docker-compose.yml') as Compose;
const withAll = haproxy === null ? describe.skip : describe;
const COORDINATORS = ['coordinator-1', 'coordinator-2'];
const SAMPLES = ['order', 'account-1', 'account-2', 'inventory'];
const file = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

withAll('what docker-compose.yml says', () => {
  const databases = new Map<string, TestDatabase>();
  const processes = new Map<string, Process>();
  const addresses: Record<string, string> = {};
  let proxy: Haproxy;

  beforeAll(async () => {
    for (const name of [...COORDINATORS, ...SAMPLES]) {
      addresses[`${name}:${COORDINATORS.includes(name) ? 8372 : 3000}`] = `127.0.0.1:${await freePort()}`;
    }
    for (const name of ['tercet', 'order', 'account', 'inventory']) databases.set(name, await createDatabase());
    const [one, two] = COORDINATORS.map((name) => `http://${addresses[`${name}:8372`]}`);
    proxy = await Haproxy.start([one!, two!]);
    addresses['tercet:8372'] = new URL(proxy.url).host;
    // The first instance makes the tables for the second.
    await Promise.all([...COORDINATORS, 'order', 'account-1', 'inventory'].map(start));
    await start('account-2');
    await Promise.all(SAMPLES.map(isReady));
  });

  afterAll(async () => {
    await Promise.all(SAMPLES.map(stop));
    await proxy.stop();
    await Promise.all(COORDINATORS.map(stop));
    for (const database of databases.values()) await database.drop();
  });

  const stop = async (name: string): Promise<number | null> => (await processes.get(name)?.signal('SIGTERM')) ?? null;

  async function start(name: string): Promise<void> {
    const isCoordinator = COORDINATORS.includes(name);
    const [host, port] = addresses[`${name}:${isCoordinator ? 8372 : 3000}`]!.split(':') as [string, string];
    const given = Object.entries(compose.services[name]!.environment!).map(([key, value]) => {
      return [
        key,
        key === 'DATABASE_URL' ? databases.get(new URL(value).pathname.slice(1))!.url : atHome(value, addresses),
      ];
    });
    const own = isCoordinator
      ? { TERCET_LISTEN: `${host}:${port}`, TERCET_ALLOWED_TARGETS: host }
      : { LISTEN_HOST: host, PORT: port };
    const env = { ...(Object.fromEntries(given) as Record<string, string>), ...own };
    const program = isCoordinator ? 'bin/tercet.js' : `dist/examples/${name.replace(/-\d$/, '')}/main.js`;
    const started = new Process({ name, script: file(program), args: isCoordinator ? ['serve'] : [], env });
    processes.set(name, started);
    await started.start();
  }

  const urlOf = (sample: string): string => `http://${addresses[`${sample}:3000`]}`;

  async function isReady(sample: string): Promise<void> {
    while (!(await fetch(`${urlOf(sample)}/tercet/ready`)).ok) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  async function post(url: string, body: object): Promise<{ status: number; body: unknown }> {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    return { status: response.status, body: await response.json() };
  }

  function order(
    orderId: string,
    customer = 'alice',
    shipTo: string | null = null,
  ): Promise<{ status: number; body: unknown }> {
    return post(`${urlOf('order')}/orders`, { orderId, customer, sku: 'lamp', quantity: 2, shipTo });
  }

  const client = (sample: string): TercetClient =>
    new TercetClient({ url: proxy.url, key: compose.services[sample]!.environment!['TERCET_KEY']! });

  test('places orders through the proxy, with both instances of account, and refuses one', async () => {
    await post(`${urlOf('account-1')}/accounts`, { id: 'alice', balance: 12_500 });
    await post(`${urlOf('inventory')}/items`, { sku: 'lamp', stock: 100, price: 2500 });
    for (const orderId of ['one', 'two']) {
      expect(await order(orderId)).toMatchObject({ status: 200, body: { orderId, state: 'placed' } });
    }
    expect(await order('three')).toMatchObject({ status: 200, body: { state: 'refused', reason: 'not enough money' } });
    for (const gid of ['one', 'two', 'three']) await client('order').wait(gid, { waitMs: 30_000 });
    expect(await (await fetch(`${urlOf('account-2')}/accounts`)).json()).toEqual([
      { id: 'alice', balance: 2500, held: 0 },
    ]);
    const { instances } = await client('account-1').getComponent('account');
    expect(instances.map(({ url }) => new URL(url).origin).sort()).toEqual(
      ['account-1', 'account-2'].map(urlOf).sort(),
    );
  });

  test('sends an order by a saga, and undoes one that no courier takes', async () => {
    await post(`${urlOf('account-1')}/accounts`, { id: 'carol', balance: 10_000 });
    expect(await order('sent', 'carol', 'Lisbon')).toMatchObject({ status: 200, body: { state: 'placed' } });
    expect(await order('stays', 'carol', 'Atlantis')).toMatchObject({ status: 200, body: { state: 'refused' } });
    for (const gid of ['sent', 'stays']) await client('order').wait(gid, { waitMs: 30_000 });
    const accounts = (await (await fetch(`${urlOf('account-2')}/accounts`)).json()) as object[];
    expect(accounts).toContainEqual({ id: 'carol', balance: 5000, held: 0 });
    expect(await (await fetch(`${urlOf('inventory')}/shipments`)).json()).toMatchObject([{ orderId: 'sent' }]);
  });

  test('lets nobody in without a key, and no call through that no coordinator signed', async () => {
    expect((await fetch(`${proxy.url}/v1/transactions`)).status).toBe(401);
    const call = { gid: 'x', branchId: 'account', op: 'try', payload: { customer: 'alice', amount: 1 } };
    expect(await post(`${urlOf('account-1')}/tercet/account/try`, call)).toMatchObject({
      status: 401,
      body: { code: 'TERCET_SIGNATURE_INVALID' },
    });
  });

  test('a coordinator and an instance of account end, and orders are placed all the same', async () => {
    await post(`${urlOf('account-2')}/accounts`, { id: 'bob', balance: 1_000_000 });
    let isOver = false;
    let placed = 0;
    const customer = (async () => {
      for (; !isOver || placed < 3; placed += 1) {
        const answer = await post(`${urlOf('order')}/orders`, { customer: 'bob', sku: 'lamp', quantity: 1 });
        expect(answer).toMatchObject({ status: 200, body: { state: 'placed' } });
      }
    })();
    const [, code] = await Promise.all([customer, stop('coordinator-1').finally(() => (isOver = true))]);
    expect(code).toBe(0);
    await stop('account-1');
    expect(await order('four', 'bob')).toMatchObject({ status: 200, body: { orderId: 'four', state: 'placed' } });
  });
});
