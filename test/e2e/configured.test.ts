/** The samples go by the configuration center: what is released holds for the next order, and changes nothing of one before. */
import { Shop } from '../../examples/scenarios/shop.js';
import { until } from '../client/until.js';

const reason = 'a test';
let shop: Shop;

beforeAll(async () => {
  shop = await Shop.open({ databaseUrl: process.env['TEST_POSTGRES_URL']! });
  await shop.start();
  await shop.addAccount('alice', 1_000_000);
  await shop.addItem('lamp', 1000, 2500);
}, 180_000);
afterAll(() => shop.close());

async function call<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${shop.coordinator.url}/v1/config/${path}`, {
    method,
    ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

/** Until the service says that it has taken it. */
async function release(namespace: 'order' | 'account' | 'inventory', content: object): Promise<void> {
  const place = `production/namespaces/${namespace}`;
  await call('PUT', place, {});
  const { release: base } = await call<{ release: number | null }>('GET', place);
  await call('PUT', `${place}/draft`, { base, content, reason });
  const { release: number } = await call<{ release: number }>('POST', 'production/releases', { reason });
  await until(`the service has taken release ${number}`, async () => {
    const { nodes } = await call<{ nodes: { namespaces: Record<string, { applied: number | null }> }[] }>(
      'GET',
      'production/nodes',
    );
    return nodes.some(({ namespaces }) => namespaces[namespace]?.applied === number);
  });
}

const order = async (orderId: string, quantity: number, more: object = {}) => {
  const response = await fetch(`${shop.services.order.url}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ orderId, customer: 'alice', sku: 'lamp', quantity, ...more }),
  });
  return { status: response.status, body: (await response.json()) as { state?: string; reason?: string | null } };
};

test.each([
  ['order', { mostItems: 3 }, 'more than 3 pieces in one order'],
  ['account', { mostPerOrder: 7500 }, 'one order may cost 7500 cents at most'],
  ['inventory', { mostPerOrder: 3 }, 'one order gets 3 of an item at most'],
] as const)(
  'the limit of %s refuses what is beyond it, fetched or sent, until it is taken back',
  async (name, content, why) => {
    expect((await order(`${name}-before`, 4)).body.state).toBe('placed');
    await release(name, content);
    expect((await order(`${name}-at`, 3)).body.state).toBe('placed');
    for (const more of [{}, { shipTo: 'Lisbon' }]) {
      const { body } = await order(`${name}-beyond-${Object.keys(more).length}`, 4, more);
      expect(body).toMatchObject({ state: 'refused', reason: expect.stringContaining(why) });
    }
    // An order keeps the answer that it got.
    expect((await order(`${name}-before`, 4)).body.state).toBe('placed');
    await release(name, {});
    expect((await order(`${name}-after`, 4)).body.state).toBe('placed');
  },
);

test('an order that is asked for again after its deadline was changed is the same order, and another one is not', async () => {
  for (const more of [{}, { shipTo: 'Oslo' }]) {
    const id = `again-${Object.keys(more).length}`;
    await release('order', { deadlineMs: 20_000 });
    expect((await order(id, 1, more)).body.state).toBe('placed');
    await release('order', { deadlineMs: 30_000 });
    expect(await order(id, 1, more)).toMatchObject({ status: 200, body: { state: 'placed' } });
    expect((await order(id, 2, more)).status).toBe(409);
  }
});
