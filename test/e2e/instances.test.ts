/** Several instances of a service under load: frozen, moved, killed. No purchase fails that had another one to go to. */
import { Service } from '../../examples/scenarios/processes.js';
import { Shop } from '../../examples/scenarios/shop.js';
import type { InstanceView } from '../../src/client/index.js';
import { patientClient, Purchase } from './purchase.js';

const LANES = 4;
/** More than are begun: each lane rests a little. */
const PURCHASES = 300;
const REST_MS = 50;

let shop: Shop;
let north: Service;
let south: Service;

beforeAll(async () => {
  shop = await Shop.open({ databaseUrl: process.env['TEST_POSTGRES_URL']! });
  const { script, env } = shop.services.account.program;
  const { PUBLIC_URL: _gate, ...own } = env;
  // At a free port of its own, another one after each start, and without the gate.
  const instance = (name: string): Service => new Service({ name, script, env: { ...own, PORT: '0' } });
  north = shop.services.account = instance('north');
  south = instance('south');
  await Promise.all([shop.start(), south.start()]);
});

afterAll(async () => {
  await south.signal('SIGCONT');
  await south.signal('SIGTERM');
  await shop.close();
});

async function instances(): Promise<InstanceView[]> {
  return (await patientClient(shop.coordinator.url).getComponent('account')).instances;
}

/** The instance that a process is now. */
const at = async (service: Service): Promise<InstanceView | undefined> =>
  (await instances()).find(({ url }) => url.startsWith(`${service.url}/`));

const isCalled = (service: Service): Promise<unknown> =>
  shop.until('it is called', async () => ((await at(service))?.inFlight ?? 0) > 0);

test('frozen and continued, stopped and started elsewhere, killed: every purchase commits, and the money adds up', async () => {
  const purchases = await Promise.all(
    Array.from({ length: PURCHASES }, (_, index) => Purchase.of(shop, `load-${index}`, 'committed')),
  );
  await shop.until('both are alive', async () => {
    const all = await instances();
    return all.length === 2 && (await at(north)) && (await at(south));
  });
  const begun = new Set<string>();
  let committed = 0;
  let isOver = false;
  const lanes = Array.from({ length: LANES }, async () => {
    for (let purchase = purchases.pop(); purchase && !isOver; purchase = purchases.pop()) {
      begun.add(purchase.gid);
      const { decision, reason } = await purchase.begin();
      expect({ decision, reason }).toEqual({ decision: 'commit', reason: null });
      committed += 1;
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
    }
  });
  const load = Promise.all(lanes);
  load.catch(() => undefined);
  const goesOn = (): Promise<unknown> => {
    const from = committed;
    return Promise.race([load, shop.until('the load goes on', async () => committed >= from + 10)]);
  };

  await goesOn();
  await south.signal('SIGSTOP');
  await goesOn();
  await south.signal('SIGCONT');
  await isCalled(south);

  const before = north.url;
  await north.signal('SIGTERM');
  expect(await at(north)).toBeUndefined();
  await goesOn();
  await north.start();
  expect(north.url).not.toBe(before);
  await isCalled(north);

  await south.signal('SIGKILL');
  await goesOn();
  expect(await at(south)).toMatchObject({ breaker: 'open' });

  isOver = true;
  await load;
  await shop.settled();
  const accounts = (await shop.accounts()).map(({ id, balance, held }) => ({ id, balance, held }));
  const expected = ({ id }: { id: string }) => ({ id, balance: begun.has(id) ? 700 : 1000, held: 0 });
  expect(accounts).toEqual(accounts.map(expected));
  const items = (await shop.items()).map(({ sku, stock, reserved }) => ({ sku, stock, reserved }));
  expect(items).toEqual(items.map(({ sku }) => ({ sku, stock: begun.has(sku) ? 3 : 5, reserved: 0 })));
  expect([accounts.length, items.length]).toEqual([PURCHASES, PURCHASES]);
});
