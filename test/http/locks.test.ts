/** Locks over HTTP, wherever they are kept: who has them, and how a person takes one. */
import type { LockView, OneLockView } from '../../src/protocol/locks.js';
import type { CheckView, DiagnosisView } from '../../src/protocol/words.js';
import { Locks } from '../../src/locks/locks.js';
import { PostgresLocks } from '../../src/locks/postgres.js';
import pg from 'pg';
import { until } from '../client/until.js';
import { startRedis, withOwnRedis } from '../support/redis.js';
import { TestNode } from './node.js';

const REASON = { reason: 'its node hangs' };

describe('over HTTP', () => {
  let node: TestNode;
  let pool: pg.Pool;
  let locks: Locks<'correctness'>;

  beforeAll(async () => {
    node = await TestNode.start();
    pool = new pg.Pool({ connectionString: node.databaseUrl });
    locks = new Locks(new PostgresLocks({ pool, table: 'tercet.lock' }), { node: 'elsewhere' });
  });

  afterAll(async () => {
    await locks.close();
    await pool.end();
    await node.stop();
  });

  test('who has which lock is listed by name, as many as are wanted', async () => {
    const held = [await locks.acquire('job.b'), await locks.acquire('job.a'), await locks.acquire('other')];
    const { body } = await node.get<{ locks: LockView[] }>('/v1/locks?prefix=job.');
    expect(body.locks).toEqual(
      ['job.a', 'job.b'].map((name) => {
        const { token } = held.find((each) => each.name === name)!;
        return { name, node: 'elsewhere', token, since: expect.any(String), until: expect.any(String) };
      }),
    );
    const first = await node.get<{ locks: LockView[] }>('/v1/locks?prefix=job.&limit=1');
    expect(first.body.locks).toHaveLength(1);
    expect((await node.get('/v1/locks?prefix=%25')).status).toBe(400);
    for (const each of held) await each.release();
    expect((await node.get<{ locks: LockView[] }>('/v1/locks?prefix=job.')).body.locks).toEqual([]);
  });

  test('one that a person takes is lost to its holder, and who took it from whom is kept', async () => {
    const held = await locks.acquire('taken', { ttlMs: 300 });
    const { status, body } = await node.post<LockView>('/v1/locks/taken/release', REASON);
    expect([status, body]).toEqual([200, expect.objectContaining({ name: 'taken', token: held.token })]);
    await until('its holder is told', async () => Promise.resolve(held.signal.aborted));
    await expect(held.release()).rejects.toMatchObject({ code: 'TERCET_LOCK_LOST' });
    const after = await node.get<OneLockView>('/v1/locks/taken');
    expect(after.body).toMatchObject({
      holder: null,
      releases: [{ ...REASON, by: expect.any(String) as string, node: 'elsewhere', token: held.token }],
    });
    const next = await locks.acquire('taken');
    expect((await node.get<OneLockView>('/v1/locks/taken')).body.holder).toMatchObject({ token: next.token });
    await next.release();
  });

  test('of a lock that nobody has, and without a reason, nothing is taken', async () => {
    const unknown = { status: 404, body: { code: 'TERCET_LOCK_UNKNOWN' } };
    expect(await node.get('/v1/locks/none')).toMatchObject(unknown);
    expect(await node.post('/v1/locks/none/release', REASON)).toMatchObject(unknown);
    // No name, and nothing that the database would take for text.
    expect(await node.get('/v1/locks/%00')).toMatchObject(unknown);
    expect(await node.post('/v1/locks/%00/release', REASON)).toMatchObject(unknown);
    const held = await locks.acquire('kept');
    expect((await node.post('/v1/locks/kept/release', {})).status).toBe(400);
    expect(held.isValid).toBe(true);
    await held.release();
    expect(await node.sql(`SELECT FROM tercet.lock_release WHERE name IN ('none', 'kept')`)).toEqual([]);
  });

  test('retention takes one, and the metrics tell how long it took', async () => {
    await until('it was held', async () =>
      (await node.get<string>('/metrics')).body.includes('tercet_lock_hold_seconds_count{lock="tercet.retention"} 1'),
    );
  });
});

withOwnRedis()('kept in Redis', () => {
  test('without it transactions go on, the node is ready and says what is missing; when it is back, all is well', async () => {
    const redis = await startRedis();
    const node = await TestNode.start({ TERCET_LOCKS: 'redis', REDIS_URL: redis.url });
    await node.component('account');
    const ready = async (): Promise<string> => JSON.stringify((await node.get<object>('/health/ready')).body);
    const check = async (): Promise<CheckView | undefined> =>
      (await node.get<DiagnosisView>('/v1/diagnosis')).body.checks.find(({ name }) => name === 'locks');
    const begin = { mode: 'tcc', branches: [{ branchId: 'a', component: 'account' }], wait: 'settled' };
    const begun = async (): Promise<unknown> => (await node.post('/v1/transactions', begin)).body.status;
    expect(await begun()).toBe('committed');
    await redis.kill();
    const load = Promise.all(Array.from({ length: 20 }, begun));
    await until('it is said', async () => (await ready()).includes('redis: '));
    expect((await node.get('/health/ready')).status).toBe(200);
    expect(await load).toEqual(Array(20).fill('committed'));
    expect(await node.get('/v1/locks')).toMatchObject({ status: 503, body: { code: 'TERCET_NOT_READY' } });
    expect(await check()).toMatchObject({ ok: false, detail: expect.stringContaining('in Redis') });
    await redis.restart();
    await until('it is well', async () => !(await ready()).includes('redis: '));
    expect((await node.get('/v1/locks')).status).toBe(200);
    expect(await check()).toMatchObject({ ok: true });
    expect(await begun()).toBe('committed');
    await node.stop();
    await redis.stop();
  });
});
