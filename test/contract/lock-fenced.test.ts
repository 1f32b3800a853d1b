/** Locks in Redis with a token of the database: what every store does, and what Redis alone cannot do. */
import { fenced } from '../../src/locks/fenced.js';
import type { LockStore } from '../../src/locks/lock.js';
import { RedisLocks } from '../../src/locks/redis.js';
import { Redlock } from '../../src/locks/redlock.js';
import { Server } from '../e2e/server.js';
import { createDatabase } from '../support/postgres.js';
import { startRedis, withOwnRedis } from '../support/redis.js';
import type { RedisServer } from '../support/redis.js';
import { Guarded } from './guarded.js';
import { describeFailover } from './lock-failover.suite.js';
import { describeHolders } from './lock-holders.suite.js';
import type { HolderBench } from './lock-holders.suite.js';
import { demandGuarded, describeLockStore, nameOf, taken, wishFor } from './lock-store.suite.js';

const LIMITS = { timeoutMs: 1000 };

const redisLocks = (server: RedisServer): LockStore<'efficiency'> => new RedisLocks(server.named(), LIMITS);
const redlock = (servers: RedisServer[]): LockStore<'efficiency'> => new Redlock(servers.map((each) => each.named()));

/** @param count of servers; a majority of them is frozen and killed */
async function start(count: number, ...settings: string[]): Promise<HolderBench<'correctness'>> {
  const servers = await Promise.all(Array.from({ length: count }, () => startRedis(...settings)));
  const most = servers.slice((count - 1) / 2);
  const database = await createDatabase();
  const guarded = await Guarded.install(database.url);
  const store = (): LockStore<'efficiency'> => (count === 1 ? redisLocks(servers[0]!) : redlock(servers));
  return {
    open: () => fenced(store(), { pool: guarded.pool(), limitMs: 1000 }),
    spec: { redis: servers.map(({ url }) => url), database: database.url, options: LIMITS },
    freeze: () => most.forEach((server) => server.freeze()),
    thaw: () => most.forEach((server) => server.thaw()),
    kill: async () => void (await Promise.all(most.map((server) => server.kill()))),
    restart: async () => void (await Promise.all(most.map((server) => server.restart()))),
    write: (name, token) => guarded.write(name, token),
    close: async () => {
      await guarded.close();
      await database.drop();
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

describeLockStore('Redis, fenced', withOwnRedis(), () => start(1));
describeLockStore('Redlock, fenced', withOwnRedis(), () => start(3));
describeHolders('Redis, fenced', withOwnRedis(), () => start(1));
describeHolders('Redlock, fenced', withOwnRedis(), () => start(3));
describeFailover('Redis, fenced', withOwnRedis(), async () => {
  const database = await createDatabase();
  const guarded = await Guarded.install(database.url);
  return {
    open: (server) => fenced(redisLocks(server), { pool: guarded.pool() }),
    write: (name, token) => guarded.write(name, token),
    close: async () => {
      await guarded.close();
      await database.drop();
    },
  };
});

withOwnRedis()('where Redis lets in two at once', () => {
  let servers: RedisServer[];
  let database: Server;
  let guarded: Guarded;
  const stores: LockStore<'correctness'>[] = [];
  const open = (store: LockStore<'efficiency'>): LockStore<'correctness'> => {
    const opened = fenced(store, { pool: guarded.pool(), limitMs: 1000 });
    stores.push(opened);
    return opened;
  };

  beforeAll(async () => {
    servers = await Promise.all([1, 2, 3].map(() => startRedis()));
    database = await Server.start();
    guarded = await Guarded.install(database.url);
  });

  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()));
  });

  afterAll(async () => {
    await guarded.close();
    await database.remove();
    await Promise.all(servers.map((server) => server.stop()));
  });

  /** The first holder is sure of his lock, and the second is let in all the same. */
  async function demandOne(between: (name: string) => Promise<LockStore<'correctness'>>): Promise<void> {
    const first = wishFor(nameOf('twice'));
    const store = open(redisLocks(servers[0]!));
    const old = await taken(store, first);
    expect(await guarded.write(first.name, old)).toBe(true);
    const other = await between(first.name);
    const token = await taken(other, wishFor(first.name));
    expect(token).toBeGreaterThan(old);
    expect(await store.renew(first).catch(() => false)).toBe(false);
    await demandGuarded<'correctness'>({ write: (name, by) => guarded.write(name, by) }, first.name, old, token);
    expect(await guarded.tokens(first.name)).toEqual([old, token]);
  }

  test('its data was flushed', () =>
    demandOne(async () => {
      await servers[0]!.with((redis) => redis.flushall());
      return open(redisLocks(servers[0]!));
    }));

  test('it was switched off, and started empty', () =>
    demandOne(async () => {
      await servers[0]!.kill();
      await servers[0]!.restart();
      return open(redisLocks(servers[0]!));
    }));

  test('most servers of a Redlock forgot it', async () => {
    const first = wishFor(nameOf('redlock'));
    const store = open(redlock(servers));
    const old = await taken(store, first);
    for (const server of servers.slice(1)) await server.with((redis) => redis.flushall());
    const token = await taken(open(redlock(servers)), wishFor(first.name));
    expect(await guarded.write(first.name, old)).toBe(false);
    expect(await guarded.write(first.name, token)).toBe(true);
  });

  test('a write that is under way is not overtaken: the second one gets the lock after it', async () => {
    const first = wishFor(nameOf('underway'));
    const store = open(redisLocks(servers[0]!));
    const old = await taken(store, first);
    const client = await guarded.pool().connect();
    await client.query('BEGIN');
    await client.query('SELECT FROM tercet_lock WHERE name = $1 AND token = $2 FOR KEY SHARE', [first.name, old]);
    await servers[0]!.with((redis) => redis.flushall());
    const other = open(redisLocks(servers[0]!));
    const next = wishFor(first.name);
    expect(await other.acquire(next)).toEqual({ heldForMs: 50 });
    expect(await other.show(first.name)).toBeNull();
    await client.query('COMMIT');
    client.release();
    expect(await taken(other, next)).toBeGreaterThan(old);
  });

  test('without the database nobody gets a lock, and none is left behind in Redis', async () => {
    const store = open(redisLocks(servers[0]!));
    const plain = redisLocks(servers[0]!);
    const wish = wishFor(nameOf('unguarded'));
    const held = wishFor(nameOf('held'));
    const token = await taken(store, held);
    const away = { code: 'TERCET_LOCK_UNAVAILABLE' };
    await database.freeze();
    await expect(store.acquire(wish)).rejects.toMatchObject(away);
    expect(await plain.show(wish.name)).toBeNull();
    await expect(store.renew(held)).rejects.toMatchObject(away);
    expect(await store.release(held)).toBe(true);
    await database.thaw();
    const next = await taken(store, wishFor(held.name));
    expect(await guarded.write(held.name, token)).toBe(false);
    expect(await guarded.write(held.name, next)).toBe(true);
    await database.crash();
    await expect(store.acquire(wish)).rejects.toMatchObject(away);
    expect(await plain.show(wish.name)).toBeNull();
    await database.start();
    await taken(store, wish);
    await plain.close();
  });
});
