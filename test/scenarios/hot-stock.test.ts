/** The sample's hot stock, sold by real processes: never oversold and all sold, also when one of them is frozen or killed. */
import { jest } from '@jest/globals';
import { HotStockSale } from '../../examples/scenarios/hot-stock-sale.js';
import type { Sale, Seller } from '../../examples/scenarios/hot-stock-sale.js';
import type { Errand, Store, Way } from '../../examples/scenarios/hot-stock-seller.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { redisUrl, withRedis } from '../support/redis.js';

jest.setTimeout(120_000);

let database: TestDatabase;
let sale: HotStockSale;
let first: Seller;
let others: [Seller, Seller];

async function open(redis: string | null): Promise<void> {
  database = await createDatabase();
  sale = await HotStockSale.open(database.url, redis);
  [first, ...others] = await Promise.all([sale.seller(), sale.seller(), sale.seller()]);
}

async function close(): Promise<void> {
  await sale.close();
  await database.drop();
}

function planOf(way: Way, store: Store, pieces: number): Sale {
  return { way, store, pieces, segments: 4, ttlMs: 1000 };
}

function errandOf({ way, store, segments, ttlMs }: Sale, sku: string, customers: number): Errand {
  return { way, store, sku, segments, ttlMs, customers, isHalting: false };
}

/** The first seller has read the stock, and not written yet. */
async function underWay(plan: Sale): Promise<string> {
  const sku = await sale.stock(plan);
  first.start({ ...errandOf(plan, sku, 1), isHalting: true });
  await first.heard('under way');
  return sku;
}

async function soldOutBy(sellers: readonly Seller[], plan: Sale, sku: string): Promise<number> {
  for (const seller of sellers) seller.start(errandOf(plan, sku, 3));
  const done = await Promise.all(sellers.map((seller) => seller.heard('done')));
  return done.reduce((sum, { sold }) => sum + sold, 0);
}

function sells(way: Way, store: Store): void {
  const few = planOf(way, store, 9);

  test('by several processes, every piece is sold once', async () => {
    const plan = planOf(way, store, 50);
    const sku = await sale.stock(plan);
    expect(await soldOutBy([first, ...others], plan, sku)).toBe(50);
    expect(await sale.count(sku)).toEqual({ sold: 50, left: 0 });
  });

  test('a seller that was frozen while others sold it all sells nothing more when it wakes up', async () => {
    const sku = await underWay(few);
    first.freeze();
    expect(await soldOutBy(others, few, sku)).toBe(9);
    first.thaw();
    const { sold, refused } = await first.heard('done');
    expect([sold, refused]).toEqual([0, way === 'no lock' ? [] : ['TERCET_LOCK_TOKEN_OLD']]);
    expect(await sale.count(sku)).toEqual({ sold: 9, left: 0 });
  });

  test('a seller that is killed in the middle of a sale takes nothing with it: the others sell it all', async () => {
    const sku = await underWay(few);
    await first.kill();
    first = await sale.seller();
    expect(await soldOutBy(others, few, sku)).toBe(9);
    expect(await sale.count(sku)).toEqual({ sold: 9, left: 0 });
  });
}

describe('without Redis', () => {
  beforeAll(() => open(null));
  afterAll(close);
  describe('one lock in PostgreSQL', () => sells('one lock', 'PostgreSQL'));
  describe('segments, their locks in PostgreSQL', () => sells('segments', 'PostgreSQL'));
  describe('no lock', () => sells('no lock', 'PostgreSQL'));
});

withRedis()('with Redis', () => {
  beforeAll(async () => open(await redisUrl()));
  afterAll(close);
  describe('one lock in Redis, fenced', () => sells('one lock', 'Redis'));
  describe('segments, their locks in Redis, fenced', () => sells('segments', 'Redis'));
});
