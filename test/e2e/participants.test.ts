/** kill -9 of each participant in each phase, before its effect and after it. */
import { jest } from '@jest/globals';
import { Shop } from '../../examples/scenarios/shop.js';
import { Calls, SIDES } from './calls.js';
import type { Side } from './calls.js';
import { COMPONENTS, expectNothingUnfinished, OUTCOMES, patientClient, Purchase } from './purchase.js';
import type { Held, Outcome } from './purchase.js';

jest.setTimeout(60_000);

let shop: Shop;
let calls: Calls;
let count = 0;

beforeAll(async () => {
  shop = await Shop.open({ databaseUrl: process.env['TEST_POSTGRES_URL']! });
  calls = new Calls(shop.gate);
  await shop.start();
});

afterAll(() => shop.close());

afterEach(() => expectNothingUnfinished(patientClient(shop.coordinator.url)));

/** Under way, each with its call to the component held before or after its effect. */
async function held(
  component: string,
  op: string,
  outcomes: readonly Outcome[],
  sides: readonly Side[] = SIDES,
): Promise<Held[]> {
  const under = await Promise.all(
    outcomes.flatMap((outcome) =>
      sides.map(async (side) => {
        const purchase = await Purchase.of(shop, `${component}-${op}-${side}-${outcome}-${(count += 1)}`, outcome);
        const moment = calls.hold({ gid: purchase.gid, component, op }, side);
        void purchase.begin();
        return { purchase, moment };
      }),
    ),
  );
  await Promise.all(under.map(({ moment }) => moment.reached));
  return under;
}

describe.each(COMPONENTS)('kill -9 of the service %s', (component) => {
  test('in try, and it stays away: the transaction is aborted everywhere, this service included', async () => {
    const under = await held(component, 'try', ['committed'], ['after']);
    await shop.services[component].signal('SIGKILL');
    await Promise.all(under.map(({ moment }) => moment.lose()));
    const client = patientClient(shop.coordinator.url);
    for (const { purchase } of under) {
      expect(await client.wait(purchase.gid, { until: 'decided' })).toMatchObject({ decision: 'abort' });
    }
    await shop.services[component].start();
    for (const { purchase } of under) await purchase.expectOnce({ outcome: 'aborted' });
  });

  test.each([
    ['try', OUTCOMES],
    ['confirm', ['committed']],
    ['cancel', ['aborted']],
  ] as const)('in %s, and it comes back: the effect is there once', async (op, outcomes) => {
    const under = await held(component, op, outcomes);
    await shop.services[component].signal('SIGKILL');
    await shop.services[component].start();
    await Promise.all(under.map(({ moment }) => moment.lose()));
    for (const { purchase } of under) await purchase.expectOnce();
  });
});
