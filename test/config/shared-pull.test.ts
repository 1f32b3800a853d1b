/** SharedPull: one of many gets the contents from the center, and Redis costs a wait at most, whatever becomes of it. */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { contentsOf } from '../../src/client/config/center.js';
import type { ValuesStamp } from '../../src/client/config/center.js';
import { checksumOf } from '../../src/config/canonical.js';
import { SharedPull } from '../../src/config/shared-pull.js';
import { SYSTEM_CLOCK } from '../../src/platform/surroundings.js';
import type { ValuesView } from '../../src/protocol/config.js';
import { redisUrl, startRedis, withOwnRedis, withRedis } from '../support/redis.js';
import { PATIENT_CLOCK, until } from '../client/until.js';

/** What the wait is allowed to take beyond itself on a machine that is busy. */
const WAIT_MS = 500;
const SLACK_MS = 10_000;
/** Of twenty, on a machine that is busy. */
const A_FEW = 5;
const PREFIX = 'tercet:config:copy:';

const open: SharedPull[] = [];
const warnings: string[] = [];
const logger = {
  info: () => undefined,
  warn: (_fields: object, message: string) => void warnings.push(message),
  error: () => undefined,
};

function puller(redis: Redis, copyKey: Buffer | null = null, clock = SYSTEM_CLOCK): SharedPull {
  const made = new SharedPull({ redis, copyKey, clock, logger });
  open.push(made);
  return made;
}

/** No two tests have the same contents, hence no copy is that of another one. */
function someValues(): ValuesView {
  const namespaces = { orders: { release: 1, content: { mostItems: 10, salt: randomBytes(8).toString('hex') } } };
  return { environment: 'production', revision: 3, checksum: checksumOf(namespaces), namespaces };
}

function stampOf({ namespaces: _contents, ...stamp }: ValuesView): ValuesStamp {
  return stamp;
}

beforeEach(() => void warnings.splice(0));
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

/** One fetch that ends when the test says so. */
function slow(values: ValuesView) {
  let begin = (): void => undefined;
  let end = (_work: Promise<ValuesView>): void => undefined;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const fetch = (): Promise<ValuesView> => {
    begin();
    return new Promise((resolve) => (end = resolve));
  };
  return { fetch, begun, answer: () => end(Promise.resolve(values)), fail: () => end(Promise.reject(new Error('no'))) };
}

async function timed<T>(work: Promise<T>): Promise<[T, number]> {
  const from = performance.now();
  const result = await work;
  return [result, performance.now() - from];
}

withRedis()('with a Redis', () => {
  let redis: Redis;
  beforeAll(async () => {
    redis = new Redis(await redisUrl());
  });
  afterAll(async () => {
    await redis.quit();
  });

  test('of twenty processes that come at once one gets the contents, or a few where Redis is slow to answer, the others its copy', async () => {
    const values = someValues();
    const all = Array.from({ length: 20 }, () => puller(redis, null, PATIENT_CLOCK));
    const fetch = (): Promise<ValuesView> => new Promise((resolve) => setTimeout(() => resolve(values), 50));
    const pulled = await Promise.all(all.map((each) => each.pull(contentsOf(stampOf(values), fetch))));
    for (const [got] of pulled) expect(got).toEqual(values);
    const sum = (count: 'fetches' | 'saved'): number => all.reduce((total, { counts }) => total + counts[count], 0);
    expect(sum('fetches')).toBeLessThanOrEqual(A_FEW);
    expect(sum('saved')).toBe(20 - sum('fetches'));
    expect(pulled.filter(([, source]) => source === 'copy')).toHaveLength(sum('saved'));
  });

  test('where the one that fetches fails, another one fetches at once', async () => {
    const values = someValues();
    const [first, second] = [puller(redis), puller(redis)];
    const { fetch, begun, fail } = slow(values);
    const failing = first.pull(contentsOf(stampOf(values), fetch));
    failing.catch(() => undefined);
    await begun;
    const waiting = second.pull(contentsOf(stampOf(values), async () => values));
    fail();
    await expect(failing).rejects.toThrow('no');
    expect((await waiting)[1]).toBe('center');
  });

  test('whoever waits for one that is slow gets the contents himself after the wait, and goes on using Redis', async () => {
    const values = someValues();
    const [first, quick] = [puller(redis), puller(redis)];
    const { fetch, begun, answer } = slow(values);
    const late = first.pull(contentsOf(stampOf(values), fetch));
    await begun;
    const [[, source], ms] = await timed(quick.pull(contentsOf(stampOf(values), async () => values)));
    expect(source).toBe('center');
    expect(ms).toBeGreaterThan(WAIT_MS - 50);
    expect(ms).toBeLessThan(WAIT_MS + SLACK_MS);
    expect(quick.isUsable).toBe(true);
    answer();
    await late;
  });

  test.each([
    ['forged', (copy: string) => copy.replace('"mostItems":10', '"mostItems":99')],
    ['cut off', (copy: string) => copy.slice(0, 20)],
    ['null', () => 'null'],
  ])('a copy that is %s is not taken, and replaced', async (_what, harm) => {
    const values = someValues();
    await redis.set(PREFIX + values.checksum, harm(JSON.stringify(values.namespaces)));
    const [got, source] = await puller(redis).pull(contentsOf(stampOf(values), async () => values));
    expect([got, source]).toEqual([values, 'center']);
    expect(warnings[0]).toContain('not what it should be');
    await until('a true copy is there', async () => {
      const copy = await redis.get(PREFIX + values.checksum);
      return copy === JSON.stringify(values.namespaces);
    });
    expect((await puller(redis).pull(contentsOf(stampOf(values), async () => values)))[1]).toBe('copy');
  });

  test('the contents that the center gave meanwhile lie under their own checksum, never under another', async () => {
    const [asked, meanwhile] = [someValues(), someValues()];
    const [got] = await puller(redis).pull(contentsOf(stampOf(asked), async () => meanwhile));
    expect(got).toEqual(meanwhile);
    await until('the copy is there', async () => (await redis.exists(PREFIX + meanwhile.checksum)) === 1);
    expect(await redis.exists(PREFIX + asked.checksum)).toBe(0);
  });

  test('with a key the copies cannot be read without it, and their names say nothing', async () => {
    const values = someValues();
    const key = randomBytes(32);
    await puller(redis, key).pull(contentsOf(stampOf(values), async () => values));
    const salt = values.namespaces['orders']?.content['salt'] as string;
    const second = puller(redis, key);
    await until(
      'the copy is there',
      async () => (await second.pull(contentsOf(stampOf(values), async () => values)))[1] === 'copy',
    );
    for (const name of await redis.keys('tercet:config:*')) {
      expect(name).not.toContain(values.checksum);
      if (name.startsWith(PREFIX)) expect(await redis.get(name)).not.toContain(salt);
    }
    // Another key looks elsewhere.
    expect((await puller(redis, randomBytes(32)).pull(contentsOf(stampOf(values), async () => values)))[1]).toBe(
      'center',
    );
  });

  test('a copy ends by itself', async () => {
    const values = someValues();
    await puller(redis).pull(contentsOf(stampOf(values), async () => values));
    await until('the copy is there', async () => (await redis.exists(PREFIX + values.checksum)) === 1);
    const leftMs = await redis.pttl(PREFIX + values.checksum);
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(60_000);
  });
});

withOwnRedis()('whatever becomes of Redis', () => {
  async function direct(each: SharedPull): Promise<number> {
    const values = someValues();
    const [[got, source], ms] = await timed(each.pull(contentsOf(stampOf(values), async () => values)));
    expect([got, source]).toEqual([values, 'center']);
    expect(ms).toBeLessThan(WAIT_MS + SLACK_MS);
    return ms;
  }

  test('it is not there: the contents come from the center, and nobody asks it again for a while', async () => {
    let aheadMs = 0;
    const clock = { ...SYSTEM_CLOCK, monotonic: () => performance.now() + aheadMs };
    const server = await startRedis();
    const redis = server.named();
    const each = puller(redis, null, clock);
    await server.kill();
    await direct(each);
    expect([each.isUsable, warnings.length]).toEqual([false, 1]);
    expect(await direct(each)).toBeLessThan(250);
    await server.restart();
    aheadMs = 31_000;
    await direct(each);
    expect(each.isUsable).toBe(true);
    redis.disconnect();
    await server.stop();
  });

  test('it freezes before the first look: one wait, and then no more', async () => {
    const server = await startRedis();
    const redis = server.named();
    const each = puller(redis);
    server.freeze();
    await direct(each);
    expect(each.isUsable).toBe(false);
    expect(await direct(each)).toBeLessThan(250);
    redis.disconnect();
    await server.stop();
  });

  test('it freezes while somebody waits for the copy: he has the contents when the wait is over', async () => {
    const server = await startRedis();
    const redis = server.named();
    const [first, waits] = [puller(redis), puller(redis)];
    const values = someValues();
    const { fetch, begun, answer } = slow(values);
    const late = first.pull(contentsOf(stampOf(values), fetch));
    await begun;
    const waiting = timed(waits.pull(contentsOf(stampOf(values), async () => values)));
    server.freeze();
    const [[, source], ms] = await waiting;
    expect(source).toBe('center');
    expect(ms).toBeLessThan(WAIT_MS + SLACK_MS);
    // Whoever has fetched does not wait for Redis.
    const from = performance.now();
    answer();
    expect((await late)[1]).toBe('center');
    expect(performance.now() - from).toBeLessThan(250);
    redis.disconnect();
    await server.stop();
  });

  test('it is killed while somebody waits for the copy', async () => {
    const server = await startRedis();
    const redis = server.named();
    const [first, waits] = [puller(redis), puller(redis)];
    const values = someValues();
    const { fetch, begun, answer } = slow(values);
    const late = first.pull(contentsOf(stampOf(values), fetch));
    await begun;
    const waiting = timed(waits.pull(contentsOf(stampOf(values), async () => values)));
    await server.kill();
    const [[, source], ms] = await waiting;
    expect(source).toBe('center');
    expect(ms).toBeLessThan(WAIT_MS + SLACK_MS);
    answer();
    await late;
    redis.disconnect();
    await server.stop();
  });

  test('it refuses to keep anything: each gets the contents from the center', async () => {
    const server = await startRedis('--maxmemory', '1', '--maxmemory-policy', 'noeviction');
    const redis = server.named();
    await direct(puller(redis));
    redis.disconnect();
    await server.stop();
  });
});
