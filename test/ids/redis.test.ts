/** Numbers of a real Redis: only of one that keeps what it has answered, and none after it has lost something. */
import { Redis } from 'ioredis';
import { redisIds } from '../../src/ids/redis.js';
import type { Ids } from '../../src/ids/id.js';
import { until } from '../client/until.js';
import { startRedis, withOwnRedis } from '../support/redis.js';
import type { RedisServer } from '../support/redis.js';

const AOF = ['--appendonly', 'yes'] as const;

withOwnRedis()('over Redis', () => {
  let server: RedisServer;
  let redis: Redis;
  let ids: Ids | null = null;

  async function start(...settings: string[]): Promise<void> {
    server = await startRedis(...settings);
    redis = new Redis(server.url, { retryStrategy: () => 20 });
    redis.on('error', () => undefined);
  }

  async function open(options: { persistence?: 'assumed'; name?: string } = {}): Promise<Ids> {
    return (ids = await redisIds({ redis, ...options }));
  }

  afterEach(async () => {
    await ids?.close();
    ids = null;
    redis.disconnect();
    await server.kill();
  });

  async function back(): Promise<string> {
    let made: string | null = null;
    await until('there are ids again', async () => {
      made = await ids!.next().catch((error: { code: string }) => {
        if (error.code === 'TERCET_ID_UNSAFE') throw error;
        return null;
      });
      return made !== null;
    });
    return String(made);
  }

  test('those who ask at the same time share a round trip, and two processes never get the same', async () => {
    await start(...AOF);
    const one = await open();
    const other = await redisIds({ redis });
    const made = await Promise.all(Array.from({ length: 2000 }, (_, index) => (index % 2 ? one : other).next()));
    expect(new Set(made).size).toBe(2000);
    expect(one.facts()).toMatchObject({ made: 1000, asked: 2 });
    await other.close();
  });

  test('numbers go on above those of 63 bits that something else made before', async () => {
    await start(...AOF);
    await redis.set('tercet:id:{default}', '420000000000000000');
    const above = await open();
    expect(await Promise.all([above.next(), above.next()])).toEqual(['420000000000000001', '420000000000000002']);
  });

  test.each([
    ['nothing', ['--appendonly', 'no'], "appendonly yes (it is 'no')"],
    [
      'what it has answered a second ago',
      [...AOF, '--appendfsync', 'everysec'],
      "appendfsync always (it is 'everysec')",
    ],
  ])('one that keeps only %s is refused, with what it lacks', async (_name, settings, lacking) => {
    await start(...settings);
    await expect(open()).rejects.toMatchObject({
      code: 'TERCET_ID_UNSAFE',
      detail: expect.stringContaining(lacking) as string,
    });
    await expect((await open({ persistence: 'assumed' })).next()).resolves.toBe('1');
  });

  test('one that does not say what it keeps is refused, unless that is promised', async () => {
    await start(...AOF, '--rename-command', 'CONFIG', '');
    await expect(open()).rejects.toMatchObject({
      code: 'TERCET_ID_UNSAFE',
      detail: expect.stringContaining("persistence: 'assumed'") as string,
    });
    await expect((await open({ persistence: 'assumed' })).next()).resolves.toBe('1');
  });

  test('killed and started again, it goes on after what it gave out; meanwhile it says so', async () => {
    await start(...AOF);
    await open();
    for (let count = 1; count <= 50; count += 1) expect(await ids!.next()).toBe(String(count));
    await server.kill();
    await expect(ids!.next()).rejects.toMatchObject({ code: 'TERCET_ID_UNAVAILABLE' });
    expect(ids!.warnings()).toEqual([expect.stringMatching(/^ids: Redis does not give new ones/)]);
    await server.restart();
    expect(await back()).toBe('51');
    expect(ids!.warnings()).toEqual([]);
  });

  test('frozen, it is given up after two seconds, and comes back', async () => {
    await start(...AOF);
    await open();
    await ids!.next();
    server.freeze();
    await expect(ids!.next()).rejects.toMatchObject({ code: 'TERCET_ID_UNAVAILABLE' });
    server.thaw();
    expect(Number(await back())).toBeGreaterThan(1);
  });

  test('one that has lost all it had is refused from then on, although others have counted on', async () => {
    await start('--appendonly', 'no');
    await open({ persistence: 'assumed' });
    for (let count = 0; count < 10; count += 1) await ids!.next();
    await server.kill();
    await server.restart();
    const other = await redisIds({ redis, persistence: 'assumed' });
    for (let count = 0; count < 100; count += 1) await other.next();
    await expect(back()).rejects.toMatchObject({ code: 'TERCET_ID_UNSAFE' });
    await expect(ids!.next()).rejects.toMatchObject({ code: 'TERCET_ID_UNSAFE' });
    expect(ids!.warnings()).toEqual(['ids: Redis has lost all it had, and counts anew']);
    await other.close();
  });

  test('one that has lost its last numbers, as after a failover, is refused from then on', async () => {
    await start(...AOF);
    await open({ name: 'order' });
    for (let count = 0; count < 10; count += 1) await ids!.next();
    await server.with((client) => client.set('tercet:id:{order}', '7'));
    await expect(ids!.next()).rejects.toMatchObject({
      code: 'TERCET_ID_UNSAFE',
      detail: expect.stringContaining('it was at 10, and now gives 8') as string,
    });
    await expect(ids!.next()).rejects.toMatchObject({ code: 'TERCET_ID_UNSAFE' });
  });

  test('one that is not there when it is opened is said to be away', async () => {
    await start(...AOF);
    await server.kill();
    await expect(open()).rejects.toMatchObject({ code: 'TERCET_ID_UNAVAILABLE' });
  });
});
