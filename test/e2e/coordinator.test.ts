/** kill -9 of the coordinator at every boundary of a TCC, for a committing and an aborting one. */
import { jest } from '@jest/globals';
import { Shop } from '../../examples/scenarios/shop.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { Calls, SIDES } from './calls.js';
import type { Moment } from './moment.js';
import { COMPONENTS, expectNothingUnfinished, OUTCOMES, patientClient, Purchase } from './purchase.js';
import { Road, WAYS, WRITES } from './road.js';

jest.setTimeout(60_000);

let database: TestDatabase;
let road: Road;
let shop: Shop;
let calls: Calls;

beforeAll(async () => {
  database = await createDatabase();
  road = await Road.open(database.url);
  shop = await Shop.open({
    databaseUrl: process.env['TEST_POSTGRES_URL']!,
    logUrl: road.url,
    settings: { TERCET_LEASE_MS: '1000' },
  });
  calls = new Calls(shop.gate);
  await shop.start();
});

afterAll(async () => {
  await shop.close();
  await road.close();
  await database.drop();
});

/**
 * Kills the coordinator when all is held where it should be, and starts it again. What was held arrives when all is
 * over, as if it had been on its way for that long.
 */
async function kill(purchases: readonly Purchase[], moments: readonly Moment[]): Promise<void> {
  for (const purchase of purchases) void purchase.begin();
  await Promise.all(moments.map((moment) => moment.reached));
  await shop.coordinator.signal('SIGKILL');
  await shop.coordinator.start();
  await Promise.all(purchases.map((purchase) => purchase.expectOnce()));
  await Promise.all(moments.map((moment) => moment.pass()));
  await Promise.all(purchases.map((purchase) => purchase.expectOnce()));
  await expectNothingUnfinished(patientClient(shop.coordinator.url));
}

describe.each(OUTCOMES)('a transaction is %s once and everywhere', (outcome) => {
  const boundaries = WRITES.flatMap((write) => WAYS.map((way) => ({ write, way })));

  test.each(boundaries)('although the coordinator is killed when its $write is on its way $way', async (at) => {
    const { write, way } = at;
    const purchase = await Purchase.of(shop, `${outcome}-${write}-${way}`, outcome);
    await kill([purchase], [road.hold(write, purchase.gid, way)]);
  });

  test('although the coordinator is killed before or after any of its calls takes effect', async () => {
    const second = outcome === 'committed' ? 'confirm' : 'cancel';
    const places = COMPONENTS.flatMap((component) =>
      (['try', second] as const).flatMap((op) => SIDES.map((side) => ({ component, op, side }))),
    );
    const held = await Promise.all(
      places.map(async ({ component, op, side }) => {
        const purchase = await Purchase.of(shop, `${outcome}-${op}-${component}-${side}`, outcome);
        return { purchase, moment: calls.hold({ gid: purchase.gid, component, op }, side) };
      }),
    );
    await kill(
      held.map(({ purchase }) => purchase),
      held.map(({ moment }) => moment),
    );
  });
});
