/** Locks in Redis over connections that say nothing, break or lead elsewhere, and the one that listens. */
import { Redis } from 'ioredis';
import { RedisLocks } from '../../../src/locks/redis.js';
import { until } from '../../client/until.js';
import { nameOf, taken, wishFor } from '../../contract/lock-store.suite.js';
import { Proxy } from '../../support/proxy.js';
import { startRedis, withOwnRedis } from '../../support/redis.js';
import type { RedisServer } from '../../support/redis.js';

const OPTIONS = { timeoutMs: 1000 };
const AWAY = { code: 'TERCET_LOCK_UNAVAILABLE' };

withOwnRedis()('locks in Redis, over a connection', () => {
  let server: RedisServer;
  /** Of the locks that are behind it. */
  let proxy: Proxy;
  let behind: RedisLocks;
  let store: RedisLocks;

  beforeEach(async () => {
    server = await startRedis();
    proxy = await Proxy.start(server.url);
    behind = new RedisLocks(new Redis(proxy.url, { lazyConnect: true }), OPTIONS);
    store = new RedisLocks(server.named(), OPTIONS);
  });
  afterEach(async () => {
    await Promise.all([behind.close(), store.close()]);
    await proxy.stop();
    await server.stop();
  });

  const connected = (): Promise<number> => taken(behind, wishFor(nameOf('warm')));
  const connections = (): Promise<string[]> =>
    server.with(async (redis) => String(await redis.client('LIST')).match(/^id=\d+/gm) ?? []);

  test('not made in time: what nobody waits for any more is not sent over it', async () => {
    const wish = wishFor(nameOf('late'));
    // The server knows the script by now.
    await taken(store, wishFor(nameOf('warm')));
    proxy.silence();
    await expect(behind.acquire(wish)).rejects.toMatchObject(AWAY);
    proxy.heal();
    const shows = (): Promise<boolean> =>
      behind.show(wish.name).then(
        () => true,
        () => false,
      );
    await until('it is made', shows);
    expect(await behind.show(wish.name)).toBeNull();
  });

  test('whose address leads to another master by now: found there', async () => {
    await connected();
    const master = await startRedis();
    await server.replicate(master.port);
    proxy.lead(master.url);
    await expect(behind.acquire(wishFor('stock'))).rejects.toMatchObject({
      ...AWAY,
      detail: expect.stringContaining('READONLY') as string,
    });
    await taken(behind, wishFor('stock'));
    expect(await master.with((redis) => redis.keys('tercet:lock:*'))).toContain('tercet:lock:{stock}');
    await master.stop();
  });

  test('whose answer is lost: the lock that may have been taken is given back over the next one', async () => {
    await connected();
    const wish = wishFor(nameOf('lost'));
    proxy.loseAnswerTo(wish.name);
    await expect(behind.acquire(wish)).rejects.toMatchObject(AWAY);
    await until('it was given back', async () => (await store.show(wish.name)) === null);
    expect(await store.acquire(wishFor(wish.name))).toEqual({ token: expect.any(Number) });
  });

  test('that says nothing on one connection only is reached over another', async () => {
    await connected();
    const before = await connections();
    proxy.silence();
    const wish = wishFor(nameOf('silent'));
    await expect(behind.acquire(wish)).rejects.toMatchObject(AWAY);
    proxy.heal();
    await taken(behind, wishFor(wish.name));
    expect((await connections()).filter((id) => before.includes(id))).toEqual([]);
  });

  test('who waits hears of a lock that becomes free after the server was away', async () => {
    let wakes = 0;
    const stop = store.watch('stock', () => (wakes += 1));
    await until('it listens', async () => wakes === 1);
    await server.kill();
    await server.restart();
    await until('it listens again', async () => wakes > 1);
    const before = wakes;
    const wish = wishFor('stock');
    await taken(behind, wish);
    await behind.release(wish);
    await until('it was woken', async () => wakes > before);
    stop();
  });

  test('who waits no more keeps no channel, though others wait over the same connection', async () => {
    const channels = (): Promise<string[]> =>
      server.with(async (redis) => (await redis.pubsub('CHANNELS')) as string[]);
    const stops = ['stock', 'price'].map((name) => store.watch(name, () => undefined));
    await until('both listen', async () => (await channels()).length === 2);
    stops[0]!();
    await until('one listens', async () => (await channels()).length === 1);
    expect(await channels()).toEqual(['tercet:lock:{price}']);
    stops[1]!();
  });

  test('the connection that listens outlives the last who waited by a little, and is used again', async () => {
    const listening = async (): Promise<void> => {
      let isListening = false;
      const stop = store.watch('stock', () => (isListening = true));
      await until('it listens', async () => isListening);
      stop();
    };
    await listening();
    const before = await connections();
    await listening();
    // Beside the one that asks, which is another one each time.
    const after = await connections();
    expect(after.filter((id) => before.includes(id))).toHaveLength(1);
    await until('it is gone', async () => (await connections()).length === 1);
  });
});
