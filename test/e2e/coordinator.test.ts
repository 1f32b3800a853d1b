/** kill -9 of the coordinator at every boundary of a TCC, for a committing and an aborting one. */
import { Shop } from '../../examples/scenarios/shop.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { Calls } from './calls.js';
import { expectNothingUnfinished, heldAtCalls, OUTCOMES, patientClient, Purchase } from './purchase.js';
import type { Held } from './purchase.js';
import { Road, WAYS, WRITES } from './road.js';

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
async function kill(held: readonly Held[]): Promise<void> {
  for (const { purchase } of held) void purchase.begin();
  await Promise.all(held.map(({ moment }) => moment.reached));
  await shop.coordinator.signal('SIGKILL');
  await shop.coordinator.start();
  await Promise.all(held.map(({ purchase }) => purchase.expectOnce()));
  await Promise.all(held.map(({ moment }) => moment.pass()));
  await Promise.all(held.map(({ purchase }) => purchase.expectOnce()));
  await expectNothingUnfinished(patientClient(shop.coordinator.url));
}

describe.each(OUTCOMES)('a transaction is %s once and everywhere', (outcome) => {
  const boundaries = WRITES.flatMap((write) => WAYS.map((way) => ({ write, way })));

  test('and before its decision is durable, neither a call that rests on it nor an answer leaves (G2)', async () => {
    const purchase = await Purchase.of(shop, `${outcome}-first`, outcome);
    const decision = road.hold('decision', purchase.gid, 'there');
    let isTold = false;
    void purchase.begin().then(() => (isTold = true));
    await decision.reached;
    // What had left by then would be here before this is answered.
    expect(await patientClient(shop.coordinator.url).get(purchase.gid)).toMatchObject({ status: 'open' });
    expect(calls.seen.filter(({ gid, op }) => gid === purchase.gid && op !== 'try')).toEqual([]);
    expect(isTold).toBe(false);
    await decision.pass();
    await purchase.expectOnce();
  });

  test.each(boundaries)('although the coordinator is killed when its $write is on its way $way', async (at) => {
    const { write, way } = at;
    const purchase = await Purchase.of(shop, `${outcome}-${write}-${way}`, outcome);
    await kill([{ purchase, moment: road.hold(write, purchase.gid, way) }]);
  });

  test('although the coordinator is killed before or after any of its calls takes effect', async () => {
    await kill(await heldAtCalls(shop, calls, outcome));
  });
});
