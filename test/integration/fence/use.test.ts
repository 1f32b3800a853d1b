/** The fence in hands that err: without a transaction, with replies that nobody could read, with hidden errors. */
import pg from 'pg';
import { DataSource } from 'typeorm';
import { FENCE_SCHEMA, fence, installFence, Pending, TercetFence1763683200000 } from '../../../src/client/index.js';
import type { Executor } from '../../../src/client/index.js';
import { createDatabase } from '../../support/postgres.js';
import { branch, effects, KINDS, receive, recorded, startService, trace } from './service.js';
import type { Service } from './service.js';

const misused = { code: 'TERCET_FENCE_MISUSED', status: 500 };
const MAX_REPLY_BYTES = 64 * 1024;

describe.each(KINDS)('with %s', (kind) => {
  let service: Service;
  let source: DataSource;
  let client: pg.Client;
  /** What a service may take by mistake for its open transaction. */
  let wrong: Record<string, Executor>;

  beforeAll(async () => {
    service = await startService(kind);
    source = await new DataSource({ type: 'postgres', url: service.url }).initialize();
    client = new pg.Client({ connectionString: service.url });
    await client.connect();
    wrong = kind === 'pg' ? { client, pool: service.pool } : { manager: source.manager, source };
  });
  afterAll(async () => {
    await source.destroy();
    await client.end();
    await service.stop();
  });

  test.each(['try', 'confirm', 'cancel'] as const)(
    'a %s without an open transaction is found out, and leaves nothing',
    async (op) => {
      for (const executor of Object.values(wrong)) {
        const call = branch();
        if (op !== 'try') await receive(service, call('try'));
        const before = await recorded(service, call(op));
        for (let time = 0; time < 2; time += 1) {
          await expect(fence.run(executor, call(op), () => trace(executor, call(op)))).rejects.toMatchObject(misused);
        }
        expect(await recorded(service, call(op))).toEqual(before);
        expect(await effects(service, call(op))).toEqual(op === 'try' ? [] : ['try']);
      }
    },
  );

  test('pending work that ends without an open transaction is found out, and stays pending', async () => {
    for (const executor of Object.values(wrong)) {
      const call = branch()('try');
      await receive(service, call, () => Promise.resolve(new Pending()));
      await expect(fence.complete(executor, call)).rejects.toMatchObject(misused);
      await expect(fence.refuse(executor, call, 'no')).rejects.toMatchObject(misused);
      expect(await recorded(service, call)).toEqual({ op: 'try', state: 'pending' });
    }
  });

  test('a missing transaction is found out whatever the lock_timeout of the connection is', async () => {
    const fresh = new pg.Client({ connectionString: service.url, options: '-c lock_timeout=1500' });
    await fresh.connect();
    const call = branch()('try');
    await expect(fence.run(fresh, { ...call, timeoutMs: 3000 }, () => trace(fresh, call))).rejects.toMatchObject(
      misused,
    );
    await fresh.end();
  });

  test('work that hides an error of PostgreSQL is not taken for done, whether it answers or not', async () => {
    for (const reply of [undefined, { held: 300 }]) {
      const call = branch()('try');
      const hiding = receive(service, call, async (executor) => {
        await trace(executor, call);
        await executor.query('SELECT 1 / 0').catch(() => undefined);
        return reply;
      });
      await expect(hiding).rejects.toThrow('current transaction is aborted');
      expect([await effects(service, call), await recorded(service, call)]).toEqual([[], undefined]);
    }
  });

  test('a time that is none stops the call before its work', async () => {
    const call = { ...branch()('try'), beganAt: 'yesterday-ish' };
    await expect(receive(service, call)).rejects.toThrow('yesterday-ish');
    expect(await effects(service, call)).toEqual([]);
  });

  test.each([
    ['nothing', undefined, null],
    ['null', null, null],
    ['false', false, false],
    ['zero', 0, 0],
    ['an empty text', '', ''],
    ['what has a JSON form of its own', { at: new Date(0) }, { at: '1970-01-01T00:00:00.000Z' }],
    ['letters of all kinds', { 'ключ "\\': ['é', '𝄞', '\u2028', '\n'] }, { 'ключ "\\': ['é', '𝄞', '\u2028', '\n'] }],
    ['the largest number', -Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER],
    ['as many bytes as are allowed', 'x'.repeat(MAX_REPLY_BYTES - 2), 'x'.repeat(MAX_REPLY_BYTES - 2)],
  ])('a reply may be %s, at once and when asked again', async (_name, reply, answer) => {
    const call = branch();
    for (const op of ['try', 'try', 'confirm', 'confirm'] as const) {
      const got = await receive(service, call(op), () => Promise.resolve(reply));
      expect(got).toEqual({ kind: 'done', reply: answer });
    }
  });

  test.each([
    ['a number beyond 2^53', { cents: 2 ** 53 }, 'beyond ±(2^53−1)'],
    ['not a number', [Number.NaN], 'NaN'],
    ['infinity', -Infinity, 'Infinity'],
    ['a bigint', 1n, 'BigInt'],
    ['a function', () => 1, 'function'],
    ['a symbol', Symbol('a'), 'symbol'],
    ['U+0000 in a text', { name: 'a\0b' }, 'U+0000'],
    ['U+0000 in a key', { 'a\0b': 1 }, 'U+0000'],
    ['a byte more than is allowed', 'x'.repeat(MAX_REPLY_BYTES - 1), '65537 bytes'],
    ['deeper than 64', JSON.parse('['.repeat(65) + ']'.repeat(65)) as unknown, '64 levels'],
  ])('a reply that cannot travel rolls the work back and says why: %s', async (_name, reply, why) => {
    const call = branch()('try');
    const answering = receive(service, call, async (executor) => {
      await trace(executor, call);
      return reply;
    });
    await expect(answering).rejects.toThrow(why);
    expect([await effects(service, call), await recorded(service, call)]).toEqual([[], undefined]);
  });
});

describe('the tables', () => {
  test('instances that start at the same time install them once, and again changes nothing', async () => {
    const { url, drop } = await createDatabase();
    const clients = [1, 2, 3].map(() => new pg.Client({ connectionString: url }));
    await Promise.all(clients.map((client) => client.connect()));
    await Promise.all(clients.map((client) => installFence(client)));
    const [client] = clients;
    if (client) {
      await fence.purge(client, new Date(0));
      await installFence(client);
      const { rows } = await client.query<{ horizon: Date }>('SELECT horizon FROM tercet_fence_horizon');
      expect(rows).toEqual([{ horizon: new Date(0) }]);
    }
    await Promise.all(clients.map((one) => one.end()));
    await drop();
  });

  test('the migration can be taken back', async () => {
    const { url, drop } = await createDatabase();
    const source = new DataSource({ type: 'postgres', url, migrations: [TercetFence1763683200000] });
    await source.initialize();
    await source.runMigrations();
    await source.undoLastMigration();
    await source.query(FENCE_SCHEMA);
    await source.destroy();
    await drop();
  });
});
