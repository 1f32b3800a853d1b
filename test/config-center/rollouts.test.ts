import type { ConfigReport } from '../../src/protocol/config.js';
import type { TercetError } from '../../src/protocol/errors.js';
import { Bench, LEASE_MS, refusal, refusals } from './center.js';

let bench: Bench;

beforeEach(async () => {
  bench = await Bench.start();
});
afterEach(() => bench.close());

const half = { percent: 50, labels: { zone: 'a' } };
async function gray(content: { v: number }, namespace = 'orders') {
  await bench.center.put('shop', namespace, {}, 'ann');
  await bench.draft('shop', namespace, content);
  return bench.center.release('shop', { reason: 'try it', mode: 'gray', gray: half }, 'rob');
}

function report(namespaces: ConfigReport['namespaces'], over: Partial<ConfigReport> = {}): ConfigReport {
  return { incarnation: 'i1', ttlMs: 60_000, namespaces, ...over };
}

it('lets a gray release run beside what is in force, until it is promoted', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  const before = await bench.revision('shop');
  const { view, rollout } = await gray({ v: 2 });
  expect(rollout).toBe(1);
  expect(view).toMatchObject({
    release: 2,
    state: 'pending',
    rollout: { mode: 'gray', state: 'running', selector: half },
  });
  expect(await bench.inForce('shop')).toEqual({ orders: [1, { v: 1 }] });
  expect((await bench.center.namespace('shop', 'orders')).draft).toBeNull();
  expect(await bench.revision('shop')).toBe(before + 1);
  expect(await bench.center.rollout('shop')).toMatchObject({ release: 2, by: 'rob', endedAt: null, acks: [] });
  const done = await bench.center.promote('shop', 'it works', 'rob');
  expect(done).toMatchObject({ state: 'done', why: 'it works', endedAt: expect.any(String) });
  expect(await bench.inForce('shop')).toEqual({ orders: [2, { v: 2 }] });
  expect(await bench.center.releaseOf('shop', 2)).toMatchObject({ state: 'in force' });
  expect(await bench.revision('shop')).toBe(before + 2);
  expect(bench.told).toEqual(['shop', 'shop', 'shop']);
});

it('does not promote what its schema forbids by now, and promotes it once it fits again', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  await gray({ v: 2 });
  await bench.center.put('shop', 'orders', { schema: { properties: { v: { maximum: 1 } } } }, 'ann');
  const error = await refusal(bench.center.promote('shop', 'it works', 'rob'));
  expect(error).toMatchObject({ code: 'TERCET_CONFIG_INVALID', status: 422, errors: [{ path: 'orders/v' }] });
  expect(await bench.inForce('shop')).toEqual({ orders: [1, { v: 1 }] });
  expect(await bench.center.rollout('shop')).toMatchObject({ release: 2, state: 'running' });
  await bench.center.put('shop', 'orders', { schema: { properties: { v: { maximum: 2 } } } }, 'ann');
  await bench.center.promote('shop', 'it works', 'rob');
  expect(await bench.inForce('shop')).toEqual({ orders: [2, { v: 2 }] });
});

it('has one unfinished rollout at most, and no other release beside it', async () => {
  await gray({ v: 1 });
  await bench.center.put('shop', 'stock', {}, 'ann');
  await bench.draft('shop', 'stock', { s: 1 });
  for (const mode of ['all', 'gray'] as const) {
    const error = await refusal(bench.center.release('shop', { reason: 'r', mode, gray: half }, 'rob'));
    expect(error).toMatchObject({ code: 'TERCET_CONFIG_ROLLOUT_STATE', status: 409 });
  }
  expect((await bench.inForce('shop'))['stock']).toEqual([null, null]);
  await bench.center.abort('shop', 'enough', 'rob');
  const names = ['a', 'b', 'c'];
  for (const name of names) {
    await bench.center.put('shop', name, {}, 'ann');
    await bench.draft('shop', name, { v: 1 });
  }
  const releasing = names.map((name) => {
    const order = { namespaces: [name], reason: 'r', mode: 'gray', gray: half } as const;
    return bench.another({}).release('shop', order, 'rob');
  });
  const done = await Promise.allSettled(releasing);
  expect(done.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const each of done) {
    if (each.status === 'rejected') expect((each.reason as TercetError).code).toBe('TERCET_CONFIG_ROLLOUT_STATE');
  }
});

it('drafts again what a gray release had when it is taken back, and never uses its number again', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  await gray({ v: 2 });
  const before = await bench.revision('shop');
  expect(await bench.center.abort('shop', 'too slow', 'rob')).toMatchObject({ state: 'aborted', why: 'too slow' });
  expect(await bench.center.releaseOf('shop', 2)).toMatchObject({ state: 'taken back' });
  expect(await bench.revision('shop')).toBe(before + 1);
  expect((await bench.center.namespace('shop', 'orders')).draft).toMatchObject({
    base: 1,
    revision: 3,
    content: { v: 2 },
    by: 'rob',
    reason: 'try it',
  });
  expect(await bench.release('shop', { orders: { v: 3 } })).toBe(3);
});

it('leaves a newer draft alone when a gray release is taken back', async () => {
  await gray({ v: 2 });
  await bench.draft('shop', 'orders', { v: 5 });
  await bench.center.abort('shop', 'no', 'rob');
  expect((await bench.center.namespace('shop', 'orders')).draft).toMatchObject({ content: { v: 5 }, by: 'ann' });
});

it('never takes what was taken back for something that was in force', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  await gray({ v: 2 });
  await bench.center.abort('shop', 'no', 'rob');
  await bench.release('shop', { stock: { s: 1 } });
  const back = { reason: 'back', mode: 'all' } as const;
  expect((await refusal(bench.center.rollback('shop', 2, back, 'rob'))).code).toBe('TERCET_CONFIG_ROLLOUT_STATE');
  // Right after 3 orders had what 1 released.
  expect(await refusal(bench.center.rollback('shop', 3, back, 'rob'))).toMatchObject({
    code: 'TERCET_CONFIG_CONFLICT',
  });
  expect((await bench.center.diff('shop', 1, 3, 'orders')).namespaces).toEqual({});
  expect((await bench.center.diff('shop', 1, 2, 'orders')).namespaces).not.toEqual({});
});

it('rolls back gray too, and drafts nothing when that is taken back', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  await bench.release('shop', { orders: { v: 2 } });
  const order = { reason: 'back', mode: 'gray', gray: { percent: 10 } } as const;
  const { view } = await bench.center.rollback('shop', 1, order, 'rob');
  expect(view).toMatchObject({
    release: 3,
    restores: 1,
    state: 'pending',
    rollout: { selector: { labels: {}, percent: 10 } },
  });
  await bench.center.abort('shop', 'no', 'rob');
  expect((await bench.center.namespace('shop', 'orders')).draft).toBeNull();
  expect(await bench.inForce('shop')).toEqual({ orders: [2, { v: 2 }] });
});

it('widens whom a gray release is for, keeping what is not named', async () => {
  await gray({ v: 2 });
  expect(await bench.center.widen('shop', { percent: 75, reason: 'more' }, 'rob')).toMatchObject({
    selector: { labels: { zone: 'a' }, percent: 75 },
    why: 'more',
  });
  const widened = await bench.center.widen('shop', { labels: {}, reason: 'all zones' }, 'rob');
  expect(widened.selector).toEqual({ labels: {}, percent: 75 });
  const { entries } = await bench.center.audit('shop', { limit: 1, before: null });
  expect(entries[0]).toMatchObject({
    action: 'widen',
    release: 1,
    reason: 'all zones',
    changes: [{ path: '/labels/zone', kind: 'removed', from: 'a' }],
  });
});

it('says that there is nothing to promote, abort or widen, and that there never was a rollout', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  expect((await refusal(bench.center.rollout('shop'))).code).toBe('TERCET_CONFIG_UNKNOWN');
  await gray({ v: 2 });
  await bench.center.promote('shop', 'yes', 'rob');
  for (const error of await refusals(
    bench.center.promote('shop', 'again', 'rob'),
    bench.center.abort('shop', 'no', 'rob'),
    bench.center.widen('shop', { percent: 1, reason: 'r' }, 'rob'),
  )) {
    expect(error.code).toBe('TERCET_CONFIG_ROLLOUT_STATE');
  }
  expect(await bench.center.rollout('shop')).toMatchObject({ state: 'done', why: 'yes' });
});

it('promotes or aborts, never both', async () => {
  for (let v = 1; v <= 8; v += 1) {
    await gray({ v });
    const [promoted, aborted] = await Promise.allSettled([
      bench.another({}).promote('shop', 'yes', 'rob'),
      bench.another({}).abort('shop', 'no', 'rob'),
    ]);
    expect([promoted.status, aborted.status].sort()).toEqual(['fulfilled', 'rejected']);
    const [number] = (await bench.inForce('shop'))['orders']!;
    expect((await bench.center.rollout('shop')).state).toBe(number === v ? 'done' : 'aborted');
  }
});

it('asks whom a gray release is for', async () => {
  await bench.center.put('shop', 'orders', {}, 'ann');
  await bench.draft('shop', 'orders', { v: 1 });
  const error = await refusal(bench.center.release('shop', { reason: 'r', mode: 'gray' }, 'rob'));
  expect(error).toMatchObject({
    code: 'TERCET_REQUEST_INVALID',
    errors: [{ path: 'gray', message: expect.any(String) }],
  });
});

it('previews whom a selector finds among those that live', async () => {
  await bench.center.put('shop', 'orders', {}, 'ann');
  for (let index = 0; index < 40; index += 1) {
    const labels = { zone: index % 2 === 0 ? 'a' : 'b' };
    await bench.center.report('shop', `i${index}`, report({}, { labels }));
  }
  await bench.query(`UPDATE tercet.config_report SET until = now() - interval '1 s' WHERE instance = 'i0'`);
  const found = await bench.center.preview('shop', { labels: { zone: 'a' }, percent: 100 });
  expect(found.of).toBe(39);
  expect(found.matches).toHaveLength(19);
  expect(found.matches).not.toContain('i0');
  const fewer = await bench.center.preview('shop', { labels: {}, percent: 30 });
  expect(fewer.matches.length).toBeLessThan(30);
});

it('ends a gray rollout as soon as an instance rejects it', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  await gray({ v: 2 });
  const rejected = { release: 1, checksum: 'c', state: 'rejected', reason: 'an older one' } as const;
  await bench.center.report('shop', 'i1', report({ orders: rejected }));
  expect((await bench.center.rollout('shop')).state).toBe('running');
  const before = await bench.revision('shop');
  await bench.center.report('shop', 'i1', report({ orders: { ...rejected, release: 2, reason: 'v is bad' } }));
  expect(await bench.center.rollout('shop')).toMatchObject({ state: 'aborted', why: 'i1 rejects it: v is bad' });
  expect(await bench.revision('shop')).toBe(before + 1);
  expect((await bench.center.namespace('shop', 'orders')).draft).toMatchObject({ content: { v: 2 } });
  const { entries } = await bench.center.audit('shop', { limit: 1, before: null });
  expect(entries[0]).toMatchObject({ by: 'i1', action: 'abort', release: 2, reason: 'i1 rejects it: v is bad' });
  expect(bench.told).toHaveLength(3);
});

describe('a strict release', () => {
  const strict = { reason: 'all at once', mode: 'strict' } as const;

  it('is for coordinators alone', async () => {
    await bench.center.put('shop', 'orders', {}, 'ann');
    await bench.draft('shop', 'orders', {});
    expect(await refusal(bench.center.release('shop', strict, 'rob'))).toMatchObject({
      code: 'TERCET_CONFIG_STRICT_UNSUPPORTED',
      status: 422,
    });
  });

  it('is prepared until its deadline by the clock of the database, and changes nothing before', async () => {
    await bench.draft('tercet', 'coordinator', { pool: 1 });
    const before = await bench.revision('tercet');
    const { view, rollout } = await bench.center.release('tercet', strict, 'rob');
    expect(view).toMatchObject({ state: 'pending', rollout: { state: 'preparing', mode: 'strict', selector: null } });
    const [row] = await bench.query<{ ms: number; on_silent: string }>(
      `SELECT extract(epoch FROM deadline_at - started_at)::float8 * 1000 AS ms, on_silent
         FROM tercet.config_rollout WHERE id = $1`,
      [rollout],
    );
    expect(Math.round(row!.ms / 100) * 100).toBe(3 * LEASE_MS);
    expect(row!.on_silent).toBe('abort');
    expect(await bench.revision('tercet')).toBe(before);
    expect(await bench.inForce('tercet')).toEqual({ coordinator: [null, null] });
    for (const error of await refusals(
      bench.center.promote('tercet', 'now', 'rob'),
      bench.center.widen('tercet', { percent: 1, reason: 'r' }, 'rob'),
    )) {
      expect(error.code).toBe('TERCET_CONFIG_ROLLOUT_STATE');
    }
  });

  it('is in force once all are ready, and its draft is gone then and not before', async () => {
    await bench.draft('tercet', 'coordinator', { pool: 1 });
    const order = { ...strict, strict: { deadlineMs: 60_000, onSilent: 'evict' } } as const;
    const { rollout } = await bench.center.release('tercet', order, 'rob');
    expect((await bench.center.namespace('tercet', 'coordinator')).draft).not.toBeNull();
    const finish = 'SELECT tercet.finish_rollout($1, 1000) AS result';
    expect(await bench.query(finish, [rollout])).toEqual([{ result: 'done' }]);
    expect(await bench.center.namespace('tercet', 'coordinator')).toMatchObject({ release: 1, draft: null });
    expect(await bench.center.rollout('tercet')).toMatchObject({ state: 'done' });
    expect((await refusal(bench.center.abort('tercet', 'late', 'rob'))).code).toBe('TERCET_CONFIG_ROLLOUT_STATE');
    // What was drafted while it was prepared stays.
    await bench.draft('tercet', 'coordinator', { pool: 2 });
    const next = await bench.center.release('tercet', order, 'rob');
    await bench.draft('tercet', 'coordinator', { pool: 3 });
    await bench.query(finish, [next.rollout]);
    expect(await bench.center.namespace('tercet', 'coordinator')).toMatchObject({
      release: 2,
      draft: { content: { pool: 3 } },
    });
  });

  it('can be aborted while it is prepared, and its draft is still there', async () => {
    await bench.draft('tercet', 'coordinator', { pool: 1 });
    const { rollout } = await bench.center.release('tercet', strict, 'rob');
    await bench.query(`INSERT INTO tercet.config_ack VALUES ($1, 'm1', true, NULL), ($1, 'm2', false, 'no')`, [
      rollout,
    ]);
    const view = await bench.center.abort('tercet', 'not now', 'rob');
    expect(view).toMatchObject({
      state: 'aborted',
      acks: [
        { member: 'm1', isReady: true, why: null },
        { member: 'm2', isReady: false, why: 'no' },
      ],
    });
    expect((await bench.center.namespace('tercet', 'coordinator')).draft).toMatchObject({
      revision: 1,
      content: { pool: 1 },
    });
    expect(await bench.query('SELECT tercet.finish_rollout($1, 1000) AS result', [rollout])).toEqual([
      { result: 'over' },
    ]);
  });
});
