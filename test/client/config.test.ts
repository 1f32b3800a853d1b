/** TercetConfig: what a service is given at start and while it runs, and what it tells the center of it. */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { TercetConfig } from '../../src/client/config/index.js';
import type { TercetConfigOptions } from '../../src/client/config/index.js';
import type { ConfigContent } from '../../src/protocol/config.js';
import { redisUrl, withRedis } from '../support/redis.js';
import { FakeCenter, problem } from './config-center.js';
import { PATIENT_CLOCK, until } from './until.js';

let center: FakeCenter;
const open: TercetConfig[] = [];

beforeEach(async () => {
  center = await FakeCenter.start();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
  await center.stop();
});

async function started<V extends object>(options: Partial<TercetConfigOptions<V>> = {}): Promise<TercetConfig<V>> {
  const config = await TercetConfig.start<V>({
    url: center.url,
    environment: 'production',
    namespaces: ['orders'],
    ...options,
  });
  open.push(config as unknown as TercetConfig);
  return config;
}

function limitsOf(content: ConfigContent): { mostItems: number } {
  const { mostItems = 10 } = content;
  if (typeof mostItems !== 'number' || mostItems < 1) throw new Error('mostItems must be 1 or more');
  return { mostItems };
}
const parse = { orders: limitsOf };

function lastTold(instance: string) {
  return center.told.findLast((told) => told.instance === instance)?.namespaces['orders'];
}

test('a service has at start what is released, parsed and frozen', async () => {
  center.publish({ orders: { mostItems: 3 }, other: { hidden: true } });
  const config = await started({ parse });
  expect(config.get('orders').mostItems).toBe(3);
  expect(() => Object.assign(config.get('orders'), { mostItems: 4 })).toThrow(TypeError);
  expect([config.release('orders'), config.status.source, config.status.revision]).toEqual([1, 'center', 1]);
  expect(() => config.get('other')).toThrow(RangeError);
});

test('without a parser a namespace is given as it is', async () => {
  center.publish({ orders: { deep: { list: [1, 2] } } });
  const config = await started();
  expect(config.get('orders')).toEqual({ deep: { list: [1, 2] } });
  expect(Object.isFrozen((config.get('orders')['deep'] as ConfigContent)['list'])).toBe(true);
});

test('where nothing is released the parser says what holds, and the first release comes in', async () => {
  const config = await started({ parse });
  expect([config.get('orders').mostItems, config.release('orders'), config.status.source]).toEqual([
    10,
    null,
    'center',
  ]);
  expect(config.status.problem).toBeNull();
  center.publish({ orders: { mostItems: 4 } });
  await until('the release is in force', async () => config.get('orders').mostItems === 4);
  expect(config.release('orders')).toBe(1);
});

test('a release reaches fifty services, which all say that they took it', async () => {
  center.publish({ orders: { mostItems: 3 } });
  const names = Array.from({ length: 50 }, (_, index) => `orders-${index}`);
  const configs = await Promise.all(names.map((instance) => started({ parse, instance, labels: { zone: 'a' } })));
  center.publish({ orders: { mostItems: 5 } });
  await until('all have it', async () => configs.every((config) => config.get('orders').mostItems === 5));
  await until('all said so', async () => names.every((name) => lastTold(name)?.release === 2));
  for (const name of names) expect(lastTold(name)).toMatchObject({ release: 2, state: 'applied' });
  expect(center.told[0]).toMatchObject({ labels: { zone: 'a' }, ttlMs: 15_000 });
});

test('what is reported is repeated while nothing changes', async () => {
  center.publish({ orders: { mostItems: 3 } });
  const config = await started({ parse, reportTtlMs: 1000 });
  await until('it was told three times', async () => center.told.length >= 3);
  expect(new Set(center.told.map(({ incarnation }) => incarnation)).size).toBe(1);
  expect(config.status.rejected).toBeNull();
});

test('what a parser rejects is reported once with the reason, not tried again, and the old one stays', async () => {
  center.publish({ orders: { mostItems: 3 } });
  let parsed = 0;
  const config = await started({
    instance: 'orders-1',
    parse: {
      orders: (content: ConfigContent) => {
        parsed += 1;
        return limitsOf(content);
      },
    },
  });
  center.publish({ orders: { mostItems: 0 } });
  await until('it is reported', async () => lastTold('orders-1')?.state === 'rejected');
  const reason = 'orders: mostItems must be 1 or more';
  expect(lastTold('orders-1')).toMatchObject({ release: 2, reason });
  expect([config.get('orders').mostItems, config.release('orders')]).toEqual([3, 1]);
  expect(config.status.rejected).toMatchObject({ revision: 2, reason });
  const whole = center.given.whole;
  center.wake();
  center.publish({ orders: { mostItems: 7 } });
  await until('the next one is in force', async () => config.get('orders').mostItems === 7);
  expect([parsed, center.given.whole - whole, config.status.rejected]).toEqual([3, 1, null]);
  expect(center.told.filter(({ namespaces }) => namespaces['orders']?.state === 'rejected')).toHaveLength(1);
});

test('one listener that throws rejects the release for all of them, and is reported', async () => {
  center.publish({ orders: { mostItems: 3 } });
  const config = await started({ parse, instance: 'orders-1' });
  const taken: number[] = [];
  config.onChange((next) => () => taken.push(next.get('orders').mostItems));
  config.onChange((next) => {
    if (next.get('orders').mostItems === 4) throw new Error('no pool of that size');
  });
  center.publish({ orders: { mostItems: 4 } });
  await until('it is reported', async () => lastTold('orders-1')?.state === 'rejected');
  expect(lastTold('orders-1')?.reason).toBe('no pool of that size');
  expect([taken, config.get('orders').mostItems]).toEqual([[3], 3]);
  // The center takes a gray release back that somebody rejects.
  center.takeBack();
  await until('what it has is what it is to have', async () => lastTold('orders-1')?.state === 'applied');
  expect([config.status.rejected, config.status.revision, taken]).toEqual([null, 3, [3]]);
});

test('nobody ever sees half of a release, whatever he reads while it comes', async () => {
  const both = (n: number): Record<string, ConfigContent> => ({ orders: { n }, prices: { n } });
  center.publish(both(0));
  const config = await started({ namespaces: ['orders', 'prices'] });
  let torn = 0;
  let isOver = false;
  const seen = new Set<unknown>();
  const reading = (async () => {
    while (!isOver) {
      const snapshot = config.snapshot();
      await new Promise(setImmediate);
      if (snapshot.get('orders')['n'] !== snapshot.get('prices')['n']) torn += 1;
      if (config.get('orders')['n'] !== config.get('prices')['n']) torn += 1;
      seen.add(snapshot.get('orders')['n']);
    }
  })();
  for (let n = 1; n <= 20; n += 1) {
    center.publish(both(n));
    await until(`${n} is in force`, async () => config.get('orders')['n'] === n);
  }
  isOver = true;
  await reading;
  expect(torn).toBe(0);
  expect(seen.size).toBeGreaterThan(10);
});

test('a revision that is lower than what was there is refused, until it is higher again', async () => {
  center.publish({ orders: { mostItems: 3 } }, 7);
  const config = await started({ parse });
  center.publish({ orders: { mostItems: 4 } }, 6);
  await until('it is refused', async () => config.status.problem !== null);
  expect(config.status.problem).toContain('revision 6');
  expect([config.get('orders').mostItems, config.status.revision]).toEqual([3, 7]);
  center.publish({ orders: { mostItems: 5 } }, 8);
  await until('the higher one is in force', async () => config.get('orders').mostItems === 5);
  expect(config.status.problem).toBeNull();
});

test('contents that are not what their checksum says are not taken, and asked for again', async () => {
  center.publish({ orders: { mostItems: 3 } });
  const config = await started({ parse });
  center.twist = (values) => ({ ...values, namespaces: { orders: { release: 2, content: { mostItems: 99 } } } });
  center.publish({ orders: { mostItems: 4 } });
  await until('it is refused', async () => config.status.problem?.includes('checksum') ?? false);
  expect(config.get('orders').mostItems).toBe(3);
  center.twist = (values) => values;
  await until('the true one is in force', async () => config.get('orders').mostItems === 4);
});

test('while the center is away everything stays, and what was released meanwhile comes when it is back', async () => {
  center.publish({ orders: { mostItems: 3 } });
  const config = await started({ parse, instance: 'orders-1' });
  await center.stop();
  await until('it is missed', async () => config.status.problem !== null);
  expect(config.get('orders').mostItems).toBe(3);
  center.publish({ orders: { mostItems: 4 } });
  await center.restart();
  await until('the release is in force', async () => config.get('orders').mostItems === 4);
  await until('it is reported', async () => lastTold('orders-1')?.release === 2);
});

test('a center that answers at once without news is not asked without a pause', async () => {
  center.publish({ orders: { mostItems: 3 } });
  const config = await started({ parse });
  let asked = 0;
  center.fault = (response) => {
    asked += 1;
    response.writeHead(204).end();
  };
  center.wake();
  await until('it was asked', async () => asked >= 3);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(asked).toBeLessThan(20);
  expect(config.get('orders').mostItems).toBe(3);
});

test('a gray release reaches those alone whom it is for', async () => {
  center.publish({ orders: { mostItems: 3 } });
  const [gray, other] = [await started({ parse, instance: 'gray' }), await started({ parse, instance: 'other' })];
  center.selects = (instance) => instance === 'gray';
  center.publish({ orders: { mostItems: 5 } });
  await until('it has it', async () => gray.get('orders').mostItems === 5);
  expect(other.get('orders').mostItems).toBe(3);
  center.selects = () => true;
  center.wake();
  await until('all have it', async () => other.get('orders').mostItems === 5);
});

test('closed, it asks and tells nothing any more, and what it has stays', async () => {
  center.publish({ orders: { mostItems: 3 } });
  const config = await started({ parse });
  // What is on its way when it closes may still arrive.
  await until('it has told of it, and asks for the next', async () => center.told.length > 0 && center.asking === 1);
  const closing = performance.now();
  await config.close();
  expect(performance.now() - closing).toBeLessThan(5000);
  await until('its question is gone', async () => center.asking === 0);
  const { given, told } = center;
  const before = [given.whole, given.same, told.length];
  center.publish({ orders: { mostItems: 4 } });
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect([given.whole, given.same, told.length]).toEqual(before);
  expect(config.get('orders').mostItems).toBe(3);
});

describe('at start', () => {
  test('a center that does not answer is an error that says what to do', async () => {
    await center.stop();
    await expect(started({ parse })).rejects.toMatchObject({ code: 'TERCET_CONFIG_UNAVAILABLE' });
  });

  test('or the defaults hold, if the service wants so, until the center is there', async () => {
    center.publish({ orders: { mostItems: 4 } });
    await center.stop();
    const config = await started({ parse, whenUnavailable: 'defaults' });
    expect([config.get('orders').mostItems, config.status.source]).toEqual([10, 'defaults']);
    await center.restart();
    await until('the release is in force', async () => config.get('orders').mostItems === 4);
    expect(config.status.source).toBe('center');
  });

  test('what is refused is not asked for again', async () => {
    let asked = 0;
    center.fault = (response) => {
      asked += 1;
      problem(response, 403, 'TERCET_CONFIG_SECRET_FORBIDDEN');
    };
    await expect(started({ secrets: true })).rejects.toThrow('it says TERCET_CONFIG_SECRET_FORBIDDEN');
    expect(asked).toBe(1);
  });

  test('a release that is rejected is reported also by who cannot start', async () => {
    center.publish({ orders: { mostItems: 0 } });
    await expect(started({ parse, instance: 'orders-1' })).rejects.toMatchObject({ code: 'TERCET_CONFIG_UNAVAILABLE' });
    expect(lastTold('orders-1')).toMatchObject({ release: 1, state: 'rejected' });
  });

  test.each<[string, Partial<TercetConfigOptions>]>([
    ['environment', { environment: 'No' }],
    ['namespaces', { namespaces: [] }],
    ['namespaces', { namespaces: ['a', 'a'] }],
    ['namespace', { namespaces: ['A'] }],
    ['instance', { instance: 'a b' }],
    ['label', { labels: { 'a b': 'c' } }],
    ['parse.other', { parse: { other: () => 1 } }],
    ['reportTtlMs', { reportTtlMs: 1 }],
    ['copyKey', { copyKey: 'short' }],
    ['lastGood.key', { secrets: true, lastGood: { folder: '/nowhere' } }],
  ])('an option that makes no sense is named: %s', async (name, options) => {
    await expect(started(options as never)).rejects.toThrow(RangeError);
    await expect(started(options as never)).rejects.toThrow(name);
  });

  test('a parser that is asynchronous is refused', async () => {
    const parser = (async () => Promise.reject(new Error('unheard'))) as never;
    await expect(started({ parse: { orders: parser } })).rejects.toThrow('asynchronous');
  });
});

withRedis()('with a Redis', () => {
  let redis: Redis;
  const contents = (mostItems: number) => ({ orders: { mostItems, salt: randomBytes(8).toString('hex') } });
  beforeAll(async () => {
    redis = new Redis(await redisUrl());
  });
  afterAll(async () => {
    await redis.quit();
  });

  test('of twenty services one gets each release from the center, or a few where Redis is slow, at start and while they run', async () => {
    center.publish(contents(3));
    const configs = await Promise.all(
      Array.from({ length: 20 }, () => started({ parse, redis, clock: PATIENT_CLOCK })),
    );
    const sum = (count: 'fetches' | 'saved'): number => configs.reduce((total, { pulls }) => total + pulls[count], 0);
    const first = sum('fetches');
    expect([center.given.whole, first <= 5, sum('saved')]).toEqual([first, true, 20 - first]);
    center.publish(contents(4));
    await until('all have it', async () => configs.every((config) => config.get('orders').mostItems === 4));
    const both = sum('fetches');
    expect([center.given.whole, both - first <= 5, sum('saved')]).toEqual([both, true, 40 - both]);
    expect(configs.filter(({ status }) => status.source === 'copy')).toHaveLength(20 - (both - first));
  });

  test('a center that always sends everything is understood as well', async () => {
    center.knowsMinimal = false;
    center.publish(contents(3));
    const config = await started({ parse, redis });
    expect([config.status.source, config.pulls]).toEqual(['center', { fetches: 1, saved: 0 }]);
  });

  test('a copy is for those alone who are to have it', async () => {
    center.publish(contents(3));
    const gray = await started({ parse, redis, instance: 'gray' });
    const other = await started({ parse, redis, instance: 'other' });
    center.selects = (instance) => instance === 'gray';
    center.publish(contents(5));
    await until('it has it', async () => gray.get('orders').mostItems === 5);
    const late = await started({ parse, redis, instance: 'late' });
    expect([other.get('orders').mostItems, late.get('orders').mostItems]).toEqual([3, 3]);
  });

  test('secrets never lie in Redis in clear: without a key there are no copies, and with one they are encrypted', async () => {
    const secret = `hunter-${randomBytes(8).toString('hex')}`;
    center.publish({ orders: { password: secret } });
    const lies = async (): Promise<boolean> => {
      for (const name of await redis.keys('tercet:config:*')) {
        if ((await redis.type(name)) === 'string' && (await redis.get(name))?.includes(secret)) return true;
      }
      return false;
    };
    const plain = [await started({ secrets: true, redis }), await started({ secrets: true, redis })];
    expect(plain.map(({ pulls }) => pulls)).toEqual(Array(2).fill({ fetches: 1, saved: 0 }));
    const copyKey = randomBytes(32);
    await started({ secrets: true, redis, copyKey });
    await until('a copy is taken', async () => (await started({ secrets: true, redis, copyKey })).pulls.saved === 1);
    expect(await lies()).toBe(false);
  });
});
