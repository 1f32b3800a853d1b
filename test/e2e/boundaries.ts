/** kill -9 of the coordinator at every boundary of transactions of some shapes. */
import type { SeenCall } from '../../examples/scenarios/gate.js';
import { Shop } from '../../examples/scenarios/shop.js';
import type { TransactionView } from '../../src/client/index.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { Calls } from './calls.js';
import { expectNothingUnfinished, heldAtCalls, patientClient, Purchase } from './purchase.js';
import type { Held } from './purchase.js';
import { Road, WAYS } from './road.js';
import type { Outcome, Shape } from './shapes.js';

/** Only after the decision, and never before it. */
const SECOND = ['confirm', 'cancel', 'compensate'];

interface Site {
  road: Road;
  shop: Shop;
  calls: Calls;
}

export function killedAtEveryBoundary(cases: readonly (readonly [Outcome, Shape])[]): void {
  const site = {} as Site;
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createDatabase();
    site.road = await Road.open(database.url);
    site.shop = await Shop.open({
      databaseUrl: process.env['TEST_POSTGRES_URL']!,
      logUrl: site.road.url,
      settings: { TERCET_LEASE_MS: '1000' },
    });
    site.calls = new Calls(site.shop.gate);
    await site.shop.start();
  });

  afterAll(async () => {
    await site.shop.close();
    await site.road.close();
    await database.drop();
  });

  describe.each(cases.map(([outcome, shape]) => ({ outcome, shape, name: shape.name })))(
    '$name is $outcome once and everywhere',
    ({ outcome, shape }) => boundariesOf(site, outcome, shape),
  );
}

function boundariesOf(site: Site, outcome: Outcome, shape: Shape): void {
  const purchaseOf = (what: string): Promise<Purchase> =>
    Purchase.of(site.shop, `${shape.name}-${outcome}-${what}`.replaceAll(' ', '-'), outcome, shape);
  const boundaries = shape.writes[outcome].flatMap((write) => WAYS.map((way) => ({ write, way })));
  const decidedBy = shape.decidedBy?.[outcome];

  if (decidedBy !== undefined) {
    test('and before its decision is durable, neither a call that rests on it nor an answer leaves (G2)', async () => {
      const { road, shop, calls } = site;
      const purchase = await purchaseOf('first');
      const decision = road.hold(decidedBy, purchase.gid, 'there');
      let isTold = false;
      void purchase.begin().then(() => (isTold = true));
      await decision.reached;
      // What had left by then would be here before this is answered.
      expect(await patientClient(shop.coordinator.url).get(purchase.gid)).toMatchObject({ status: 'open' });
      expect(calls.seen.filter(({ gid, op }) => gid === purchase.gid && SECOND.includes(op))).toEqual([]);
      expect(isTold).toBe(false);
      await decision.pass();
      await purchase.expectOnce();
    });
  }

  if (shape.writes[outcome].includes('save 1')) {
    test('and before a start is durable, no action that rests on it leaves (G3)', async () => {
      const { road, shop, calls } = site;
      const purchase = await purchaseOf('recorded');
      const start = road.hold('save 1', purchase.gid, 'there');
      void purchase.begin();
      await start.reached;
      const { branches } = await patientClient(shop.coordinator.url).get(purchase.gid);
      const recorded = branches.filter(({ state }) => state !== 'waiting').map(({ branchId }) => branchId);
      expect(calls.seen.filter(({ gid }) => gid === purchase.gid).map(({ branchId }) => branchId)).toEqual(recorded);
      await start.pass();
      await purchase.expectOnce();
    });
  }

  test.each(boundaries)('although the coordinator is killed when its $write is on its way $way', async (at) => {
    const { write, way } = at;
    const purchase = await purchaseOf(`${write}-${way}`);
    await kill(site, [{ purchase, moment: site.road.hold(write, purchase.gid, way) }]);
  });

  test('although the coordinator is killed before or after any of its calls takes effect', async () => {
    await kill(site, await heldAtCalls(site.shop, site.calls, outcome, { shape }));
  });
}

/**
 * Kills the coordinator when all is held where it should be, and starts it again. What was held arrives when all is
 * over, as if it had been on its way for that long.
 */
async function kill({ shop, calls }: Site, held: readonly Held[]): Promise<void> {
  for (const { purchase } of held) void purchase.begin();
  await Promise.all(held.map(({ moment }) => moment.reached));
  await shop.coordinator.signal('SIGKILL');
  await shop.coordinator.start();
  await Promise.all(held.map(({ purchase }) => purchase.expectOnce()));
  await Promise.all(held.map(({ moment }) => moment.pass()));
  await Promise.all(held.map(({ purchase }) => purchase.expectOnce()));
  const client = patientClient(shop.coordinator.url);
  await expectNothingUnfinished(client);
  for (const { purchase } of held) {
    const seen = calls.seen.filter(({ gid }) => gid === purchase.gid);
    expectUndoneInReverse(await client.get(purchase.gid), seen);
  }
}

/** No action is called once the undoing began, and no branch is undone before one that came after it. */
function expectUndoneInReverse({ branches }: TransactionView, seen: readonly SeenCall[]): void {
  const ops = seen.map(({ op }) => op);
  const undoing = ops.indexOf('compensate');
  if (undoing < 0) return;
  expect(ops.slice(undoing)).not.toContain('action');
  const undoneAt = (name: string): number =>
    seen.findIndex(({ branchId, op }) => op === 'compensate' && branchId === name);
  for (const { branchId, after = [] } of branches.filter((branch) => undoneAt(branch.branchId) >= 0)) {
    for (const before of after) {
      expect({ before, isLater: undoneAt(before) > undoneAt(branchId) }).toEqual({ before, isLater: true });
    }
  }
}
