/** What is particular to locks in Redis: the server in states that it can be in, and what stays in it. */
import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Redis } from 'ioredis';
import { Locks } from '../../../src/locks/locks.js';
import { RedisLink } from '../../../src/locks/redis-link.js';
import { RedisLocks } from '../../../src/locks/redis.js';
import { until } from '../../client/until.js';
import { LockProcess } from '../../contract/lock-process.js';
import { taken, wishFor } from '../../contract/lock-store.suite.js';
import { redisUrl, startRedis, withOwnRedis, withRedis } from '../../support/redis.js';
import type { RedisServer } from '../../support/redis.js';

const OPTIONS = { timeoutMs: 1000 };
const AWAY = 'TERCET_LOCK_UNAVAILABLE';
const away = (words: RegExp): unknown =>
  expect.objectContaining({ code: AWAY, detail: expect.stringMatching(words) as string });

withRedis()('locks in a Redis that others use, too', () => {
  let redis: Redis;
  let prefix: string;
  const stores: RedisLocks[] = [];

  beforeAll(async () => {
    redis = new Redis(await redisUrl());
  });
  beforeEach(() => {
    prefix = `test-${randomUUID()}:`;
  });
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()));
    const keys = await redis.keys(`*${prefix}*`);
    if (keys.length > 0) await redis.del(keys);
  });
  afterAll(() => redis.quit());

  const open = (given: Redis = redis): RedisLocks => {
    const store = new RedisLocks(given, { prefix });
    stores.push(store);
    return store;
  };

  test('the key says in JSON who holds it, and the counter of its tokens does not stay for ever', async () => {
    const wish = wishFor('stock');
    const token = await taken(open(), wish);
    const key = `${prefix}{stock}`;
    expect(JSON.parse((await redis.get(key)) ?? '')).toEqual({
      owner: wish.owner,
      node: wish.node,
      token,
      since: expect.any(Number),
    });
    expect((await redis.keys(`${prefix}*`)).sort()).toEqual([key, `${key}:token`]);
    for (const each of [key, `${key}:token`]) expect(await redis.pttl(each)).toBeGreaterThan(0);
  });

  test('tokens rise though the counter was lost', async () => {
    const store = open();
    const wish = wishFor('stock');
    const first = await taken(store, wish);
    await store.release(wish);
    await redis.del(`${prefix}{stock}:token`);
    await until('a later ms has begun', async () => Date.now() > first + 1);
    expect(await taken(store, wishFor('stock'))).toBeGreaterThan(first);
  });

  test('scripts that the server forgot are sent again', async () => {
    const store = open();
    const wish = wishFor('stock');
    await taken(store, wish);
    await redis.script('FLUSH');
    expect(await store.renew(wish)).toBe(true);
    await redis.script('FLUSH');
    expect(await store.release(wish)).toBe(true);
  });

  test('the connection given is left as it is, and its prefix of keys counts', async () => {
    const given = new Redis(await redisUrl(), { lazyConnect: true, keyPrefix: 'mine:' });
    const store = open(given);
    await taken(store, wishFor('stock'));
    expect(await redis.exists(`mine:${prefix}{stock}`)).toBe(1);
    expect(await store.list({ prefix: 'st', limit: 10 })).toHaveLength(1);
    let wakes = 0;
    const stop = store.watch('stock', () => (wakes += 1));
    await until('it listens', async () => wakes === 1);
    await store.seize('stock');
    await until('it is woken', async () => wakes === 2);
    stop();
    expect([given.status, given.listenerCount('error'), given.options.enableOfflineQueue]).toEqual(['wait', 0, true]);
  });

  test('a list finds the locks among many other keys', async () => {
    const pipeline = redis.pipeline();
    for (let i = 0; i < 3000; i++) pipeline.set(`${prefix}${i}`, '', 'PX', 60_000);
    await pipeline.exec();
    const store = open();
    for (const name of ['b', 'a', 'c']) await taken(store, wishFor(name));
    const names = (await store.list({ prefix: '', limit: 10 })).map(({ name }) => name);
    expect(names).toEqual(['a', 'b', 'c']);
  });

  test('a key that is no lock is said to be none, and is left alone', async () => {
    const store = open();
    await redis.set(`${prefix}{text}`, 'text');
    await redis.lpush(`${prefix}{list}`, 'element');
    await expect(store.acquire(wishFor('text'))).rejects.toEqual(away(/no lock; give the locks a prefix/));
    await expect(store.acquire(wishFor('list'))).rejects.toEqual(away(/WRONGTYPE/));
    expect(await redis.get(`${prefix}{text}`)).toBe('text');
  });

  test.each([[{ prefix: 'a{b' }], [{ prefix: 'x'.repeat(101) }], [{ timeoutMs: 9 }], [{ timeoutMs: NaN }]])(
    'an option out of bounds is refused: %j',
    (options) => {
      expect(() => new RedisLocks(redis, options)).toThrow(RangeError);
    },
  );

  describe('a waiter in another process', () => {
    let waiter: LockProcess;
    const name = 'waited-for';
    const listeners = async (): Promise<number> => {
      return Number((await redis.pubsub('NUMSUB', `${prefix}{${name}}`))[1]);
    };
    const isWaiting = (count: number): Promise<void> =>
      until(`${count} listen`, async () => (await listeners()) === count);

    beforeEach(async () => {
      waiter = await LockProcess.start({ redis: [await redisUrl()], database: null, options: { prefix } });
    });
    afterEach(() => waiter.kill());

    test.each([
      ['whose deadline is over', { waitMs: 300 }, async () => undefined, 'TERCET_LOCK_HELD'],
      ['who is told to stop', { waitMs: 60_000 }, async () => void (await waiter.order('stop')), 'stopped'],
    ])('%s leaves no key, no subscription and no timer', async (_who, { waitMs }, end, code) => {
      const store = open();
      const wish = wishFor(name);
      await taken(store, wish);
      const waited = waiter.order('wait', { name, waitMs });
      await isWaiting(1);
      await end();
      expect(await waited).toEqual({ done: 'wait', code });
      await isWaiting(0);
      await until('no timer is left', async () => (await waiter.order('timers')).timers === 0);
      await store.release(wish);
      expect(await redis.keys(`${prefix}*`)).toEqual([`${prefix}{${name}}:token`]);
    });

    test('who dies leaves no key and no subscription, and keeps nobody waiting', async () => {
      const store = open();
      const locks = new Locks(store);
      const wish = wishFor(name);
      await taken(store, wish);
      void waiter.order('wait', { name, waitMs: 60_000 }).catch(() => undefined);
      await isWaiting(1);
      const other = locks.acquire(name, { waitMs: 60_000 });
      await isWaiting(2);
      await waiter.kill();
      await isWaiting(1);
      await store.release(wish);
      await (await other).release();
      expect(await redis.keys(`${prefix}*`)).toEqual([`${prefix}{${name}}:token`]);
      await isWaiting(0);
    });
  });
});

withOwnRedis()('locks in a Redis of their own', () => {
  let server: RedisServer;
  let store: RedisLocks;
  /** Ends what one test has opened besides, also where it failed. */
  const beside: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    server = await startRedis();
    store = new RedisLocks(server.named(), OPTIONS);
  });
  afterEach(async () => {
    await store.close();
    await Promise.all(beside.splice(0).map((stop) => stop()));
    await server.stop();
  });

  async function another(...settings: string[]): Promise<RedisServer> {
    const started = await startRedis(...settings);
    beside.push(() => started.stop());
    return started;
  }

  test('that cannot be reached at the start: said with its address, and found when it is there', async () => {
    await server.kill();
    const wish = wishFor('stock');
    await expect(store.acquire(wish)).rejects.toEqual(away(new RegExp(`127.0.0.1:${server.port}.*ECONNREFUSED`)));
    const stop = store.watch('stock', () => undefined);
    await expect(store.list({ prefix: '', limit: 1 })).rejects.toEqual(away(/see that it runs/));
    stop();
    await server.restart();
    await taken(store, wish);
  });

  test('that cannot be reached: who gave up leaves nothing in memory', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const link = new RedisLink(new Redis(1, '127.0.0.1', { lazyConnect: true }), 10);
    const asked = Array.from({ length: 100 }, () => {
      const send = async (): Promise<void> => undefined;
      link.ask(send).catch(() => undefined);
      return new WeakRef(send);
    });
    await until('what was asked is forgotten', async () => {
      collect();
      return asked.filter((each) => each.deref()).length < 10;
    });
    await link.close();
  });

  test('that demands a password: said in its words', async () => {
    await server.with((redis) => redis.config('SET', 'requirepass', 'secret'));
    await expect(store.acquire(wishFor('stock'))).rejects.toEqual(away(/NOAUTH/));
  });

  test('that still loads its data is waited for', async () => {
    const wish = wishFor('stock');
    const token = await taken(store, wish);
    const fill = "for i = 1, 400 do redis.call('SET', 'k' .. i, string.rep('x', 1000)) end";
    await server.with((redis) => redis.config('SET', 'rdbcompression', 'no'));
    await server.with((redis) => redis.eval(fill, 0));
    await server.with((redis) => redis.save());
    await server.kill();
    // A pause for each key: µs.
    void server.start('--key-load-delay', '5000', '--loading-process-events-interval-bytes', '1024');
    const unready = new Redis(server.url, { enableReadyCheck: false, lazyConnect: true });
    unready.on('error', () => undefined);
    const early = new RedisLocks(unready, OPTIONS);
    beside.push(() => early.close());
    let detail = '';
    await until('it says that it loads', async () => {
      await early.show('stock').catch((error: { detail: string }) => (detail = error.detail));
      return detail.includes('LOADING');
    });
    await expect(store.acquire(wishFor('stock'))).rejects.toMatchObject({ code: AWAY });
    await until('it has loaded', () =>
      store.show('stock').then(
        (held) => held?.token === token,
        () => false,
      ),
    );
  });

  test('that became a replica: said so, and served again once it is a master', async () => {
    const master = await another();
    const wish = wishFor('stock');
    await taken(store, wish);
    await server.replicate(master.port);
    await expect(store.acquire(wishFor('other'))).rejects.toEqual(away(/READONLY.*is a master/));
    await server.promote();
    await taken(store, wishFor('other'));
  });

  test('that is part of a cluster: said to be of no use', async () => {
    await server.stop();
    server = await startRedis('--cluster-enabled', 'yes');
    const other = await another('--cluster-enabled', 'yes');
    // All slots are with the other one.
    await other.with((redis) => redis.cluster('ADDSLOTSRANGE', 0, 16383));
    await server.with((redis) => redis.cluster('MEET', '127.0.0.1', other.port));
    store = new RedisLocks(server.named(), OPTIONS);
    let detail = '';
    await until('it says where the slot is', async () => {
      await store.acquire(wishFor('stock')).catch((error: { detail: string }) => (detail = error.detail));
      return detail.includes('MOVED');
    });
    expect(detail).toContain('not part of a cluster');
  });
});
