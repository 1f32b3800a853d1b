/** The coordinator's PostgreSQL dies at every boundary of a TCC and comes back; the coordinator stays. */
import { Shop } from '../../examples/scenarios/shop.js';
import { until } from '../client/until.js';
import { Calls } from './calls.js';
import { expectNothingUnfinished, heldAtCalls, patientClient, Purchase } from './purchase.js';
import type { Held } from './purchase.js';
import { Road, WAYS } from './road.js';
import { GRAPH, OUTCOMES, TCC } from './shapes.js';
import { Server } from './server.js';

let server: Server;
let road: Road;
let shop: Shop;
let calls: Calls;

beforeAll(async () => {
  server = await Server.start();
  road = await Road.open(server.url);
  shop = await Shop.open({ databaseUrl: process.env['TEST_POSTGRES_URL']!, logUrl: road.url });
  calls = new Calls(shop.gate);
  await shop.start();
});

afterAll(async () => {
  await shop.close();
  await road.close();
  await server.remove();
});

/** PostgreSQL dies when all is held where it should be, and what was on its way to it dies with it. */
async function crash(held: readonly Held[]): Promise<void> {
  const { pid } = shop.coordinator;
  for (const { purchase } of held) void purchase.begin();
  await Promise.all(held.map(({ moment }) => moment.reached));
  await server.crash();
  await expectRefusals(held[0]!.purchase.gid);
  await server.start();
  await Promise.all(held.map(({ moment }) => moment.lose()));
  await Promise.all(held.map(({ purchase }) => purchase.expectOnce()));
  await expectNothingUnfinished(patientClient(shop.coordinator.url));
  expect(shop.coordinator.isRunning && shop.coordinator.pid).toBe(pid);
}

/** Nothing is accepted, and it says so; of what was sent before the node noticed, that it does not know. */
async function expectRefusals(gid: string): Promise<void> {
  const url = `${shop.coordinator.url}/v1/transactions`;
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ mode: 'tcc', branches: [{ branchId: 'a', component: 'account' }] });
  for (const ask of [() => fetch(url, { method: 'POST', headers, body }), () => fetch(`${url}/${gid}`)]) {
    await until('it says that it is not ready', async () => {
      const response = await ask();
      const { code } = (await response.json()) as { code: string };
      if (response.status === 504 && code === 'TERCET_OUTCOME_UNKNOWN') return false;
      expect([response.status, code]).toEqual([503, 'TERCET_NOT_READY']);
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
      return true;
    });
  }
}

describe.each(OUTCOMES)('a transaction is %s once and everywhere', (outcome) => {
  const boundaries = TCC.writes[outcome].flatMap((write) => WAYS.map((way) => ({ write, way })));

  test.each(boundaries)('although PostgreSQL dies when its $write is on its way $way', async ({ write, way }) => {
    const purchase = await Purchase.of(shop, `${outcome}-${write}-${way}`, outcome);
    await crash([{ purchase, moment: road.hold(write, purchase.gid, way) }]);
  });

  test.each([TCC, GRAPH])('although PostgreSQL dies while its services are called: $name', async (shape) => {
    await crash(await heldAtCalls(shop, calls, outcome, { shape }));
  });
});
