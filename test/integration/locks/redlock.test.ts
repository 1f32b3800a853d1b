/** What is particular to Redlock: how many servers, who may be away, votes that are split, and tokens all the same. */
import { Redis } from 'ioredis';
import { Locks } from '../../../src/locks/locks.js';
import { RedisLocks } from '../../../src/locks/redis.js';
import { Redlock } from '../../../src/locks/redlock.js';
import { until } from '../../client/until.js';
import { nameOf, taken, wishFor } from '../../contract/lock-store.suite.js';
import { Proxy } from '../../support/proxy.js';
import { startRedis, withOwnRedis } from '../../support/redis.js';
import type { RedisServer } from '../../support/redis.js';

const clientOf = (url: string): Redis => new Redis(url, { lazyConnect: true });

test.each([1, 2, 4, 11])('%i servers are refused, with the reason', (count) => {
  const servers = Array.from({ length: count }, (_, index) => clientOf(`redis://127.0.0.1:${7000 + index}`));
  expect(() => new Redlock(servers)).toThrow(new RegExp(`not ${count}: `));
});

test('the same server twice is refused', () => {
  const servers = [7000, 7001, 7000].map((port) => clientOf(`redis://127.0.0.1:${port}`));
  expect(() => new Redlock(servers)).toThrow('127.0.0.1:7000 is named twice');
});

withOwnRedis()('Redlock', () => {
  let servers: RedisServer[];
  /** Of each server alone. */
  let alone: RedisLocks[];
  const opened: { close(): Promise<void> }[] = [];

  async function start(count: number): Promise<void> {
    servers = await Promise.all(Array.from({ length: count }, () => startRedis()));
    alone = servers.map((server) => new RedisLocks(server.named(), { timeoutMs: 1000 }));
    opened.push(...alone);
  }
  function open(urls = servers.map(({ url }) => url), timeoutMs = 250): Redlock {
    const store = new Redlock(urls.map(clientOf), { timeoutMs });
    opened.push(store);
    return store;
  }
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
    await Promise.all(servers.map((server) => server.stop()));
  });

  test('votes that do not suffice are given back without waking those who wait', async () => {
    await start(3);
    const name = nameOf('split');
    const others = wishFor(name);
    await Promise.all(alone.slice(0, 2).map((each) => taken(each, others)));
    const heard: string[] = [];
    const channel = `tercet:lock:{${name}}`;
    const ear = new Redis(servers[2]!.url);
    ear.on('message', (_channel, message) => heard.push(message));
    await ear.subscribe(channel);
    expect(await open().acquire(wishFor(name))).toHaveProperty('heldForMs');
    await until('the vote is given back', async () => (await alone[2]!.show(name)) === null);
    await servers[2]!.with((redis) => redis.publish(channel, 'the next one'));
    await until('that is heard', async () => heard.includes('the next one'));
    ear.disconnect();
    expect(heard).toEqual(['the next one']);
  });

  test.each([
    [3, 1],
    [5, 2],
  ])('of %i servers %i may be away: frozen or ended', async (count, missing) => {
    await start(count);
    const store = open();
    const warm = wishFor(nameOf('warm'));
    await taken(store, warm);
    await store.release(warm);
    const away = servers.slice(0, missing);
    for (const [index, server] of away.entries()) {
      if (index === 0) server.freeze();
      else await server.kill();
    }
    const wish = wishFor(nameOf('away'));
    expect(await store.acquire(wish)).toEqual({ token: expect.any(Number), lessMs: wish.ttlMs / 100 + 2 });
    expect(await open().acquire(wishFor(wish.name))).toEqual({ heldForMs: expect.any(Number) });
    expect(await store.renew(wish)).toBe(true);
    expect(await store.show(wish.name)).toMatchObject({ owner: wish.owner });
    expect(await store.list({ prefix: wish.name, limit: 5 })).toHaveLength(1);
    expect(await store.release(wish)).toBe(true);
    for (const [index, server] of away.entries()) {
      if (index === 0) server.thaw();
      else await server.restart();
    }
    // What those who were away have heard late is undone there, too.
    for (const each of alone) {
      await until('it is free everywhere', async () => (await each.show(wish.name).catch(() => wish)) === null);
    }
  });

  test('tokens rise from majority to majority, whoever is in it and has lost what', async () => {
    await start(3);
    const name = nameOf('rising');
    // Far ahead of what a counter begins with that was lost.
    const ahead = 9e12;
    for (const each of alone.slice(0, 2)) await each.raise(wishFor(name), ahead);
    const store = open();
    let last = ahead;
    const rises = async (): Promise<void> => {
      const wish = wishFor(name);
      const token = await taken(store, wish);
      expect(token).toBeGreaterThan(last);
      last = token;
      expect(await store.release(wish)).toBe(true);
    };
    // Each comes back without what it knew.
    for (const server of [...servers, ...servers]) {
      await server.kill();
      await rises();
      await server.restart();
    }
  });

  test('a lock of a minority is nobody’s', async () => {
    await start(3);
    const store = open();
    const wish = wishFor(nameOf('minority'));
    await taken(alone[0]!, wish);
    expect(await store.show(wish.name)).toBeNull();
    expect(await store.list({ prefix: wish.name, limit: 5 })).toEqual([]);
    await taken(store, wishFor(wish.name));
  });

  test('an attempt that a majority refuses leaves nothing with the minority', async () => {
    await start(3);
    const store = open();
    const name = nameOf('refused');
    const [one, two] = [wishFor(name), wishFor(name)];
    await taken(alone[0]!, one);
    await taken(alone[1]!, two);
    const answer = await store.acquire(wishFor(name));
    // Nobody has it, so there is no end of it to wait for.
    expect((answer as { heldForMs: number }).heldForMs).toBeLessThanOrEqual(200);
    await until('it is free', async () => (await alone[2]!.show(name)) === null);
    expect(await alone[0]!.show(name)).toMatchObject({ owner: one.owner });
  });

  test('an even split of the votes gives it to no two, and to both in turn when they try again', async () => {
    await start(5);
    const name = nameOf('split');
    const proxies = await Promise.all(servers.slice(0, 4).map(({ url }) => Proxy.start(url)));
    for (const proxy of proxies) proxy.silence();
    const direct = servers.map(({ url }) => url);
    const late = proxies.map(({ url }) => url);
    // Two votes each, and the fifth is somebody else's: the other votes come late.
    const one = open([direct[0]!, direct[1]!, late[2]!, late[3]!, direct[4]!], 5000);
    const two = open([late[0]!, late[1]!, direct[2]!, direct[3]!, direct[4]!], 5000);
    const third = wishFor(name);
    await taken(alone[4]!, third);
    const wishes = [wishFor(name), wishFor(name)] as const;
    const answers = Promise.all([one.acquire(wishes[0]), two.acquire(wishes[1])]);
    for (const each of alone) await until('it has voted', async () => (await each.show(name)) !== null);
    for (const proxy of proxies) proxy.heal();
    // Nobody, or who is heard last: the other has given back by then.
    const refused = (await answers).filter((answer) => 'heldForMs' in answer);
    expect(refused.length).toBeGreaterThan(0);
    for (const { heldForMs } of refused) expect(heldForMs).toBeLessThanOrEqual(200);
    await Promise.all([one.release(wishes[0]), two.release(wishes[1])]);
    for (const each of alone.slice(0, 4)) {
      await until('everybody has given back', async () => (await each.show(name)) === null);
    }
    await alone[4]!.release(third);
    let inside = 0;
    const work = async (): Promise<void> => {
      inside += 1;
      expect(inside).toBe(1);
      await one.show(name);
      inside -= 1;
    };
    const rounds = [1, 2, 3, 4, 5].flatMap(() => [one, two].map((store) => new Locks(store).run(name, {}, work)));
    expect(await Promise.all(rounds)).toHaveLength(10);
    await Promise.all(proxies.map((proxy) => proxy.stop()));
  });

  test('a holder whose majority has lost it is told by the next renewal', async () => {
    await start(3);
    const store = open();
    const wish = wishFor(nameOf('lost'));
    await taken(store, wish);
    for (const each of alone.slice(0, 2)) await each.seize(wish.name);
    expect(await store.renew(wish)).toBe(false);
    expect(await store.release(wish)).toBe(false);
    expect(await alone[2]!.show(wish.name)).toBeNull();
  });
});
