import { checksumOf } from '../../src/config/canonical.js';
import type { ConfigContent, ConfigRule } from '../../src/protocol/config.js';
import type { TercetError } from '../../src/protocol/errors.js';
import { LogOutcomeUnknown } from '../../src/engine/ports.js';
import { until } from '../client/until.js';
import { Bench, refusal } from './center.js';

let bench: Bench;

beforeEach(async () => {
  bench = await Bench.start();
});
afterEach(() => bench.close());

const all = { reason: 'it is time', mode: 'all' } as const;
const release = (over: object = {}) => bench.center.release('shop', { ...all, ...over }, 'rob');
const rollback = (number: number, over: object = {}) =>
  bench.center.rollback('shop', number, { ...all, reason: 'back', ...over }, 'rob');

async function drafted(contents: Record<string, ConfigContent>): Promise<void> {
  for (const [namespace, content] of Object.entries(contents)) {
    await bench.center.put('shop', namespace, {}, 'ann');
    await bench.draft('shop', namespace, content);
  }
}

it('puts all drafts in force at once, drops them, and keeps what it released', async () => {
  await drafted({ orders: { a: 1 }, stock: { b: [2] } });
  await bench.center.put('shop', 'empty', {}, 'ann');
  const before = await bench.revision('shop');
  const { view, rollout } = await release();
  expect(rollout).toBeNull();
  expect(view).toMatchObject({
    environment: 'shop',
    release: 1,
    mode: 'all',
    state: 'in force',
    restores: null,
    namespaces: ['orders', 'stock'],
    by: 'rob',
    reason: 'it is time',
    contents: {
      orders: { base: null, content: { a: 1 }, checksum: checksumOf({ a: 1 }) },
      stock: { content: { b: [2] } },
    },
    changes: { orders: [{ path: '/a', kind: 'added', to: 1 }], stock: [{ path: '/b', kind: 'added', to: [2] }] },
    rollout: null,
  });
  expect(view.checksum).toBe(checksumOf({ orders: checksumOf({ a: 1 }), stock: checksumOf({ b: [2] }) }));
  expect(await bench.inForce('shop')).toEqual({ empty: [null, null], orders: [1, { a: 1 }], stock: [1, { b: [2] }] });
  const { namespaces } = await bench.center.namespaces('shop');
  expect(namespaces.map(({ namespace, hasDraft }) => [namespace, hasDraft])).toEqual([
    ['empty', false],
    ['orders', false],
    ['stock', false],
  ]);
  expect(await bench.revision('shop')).toBe(before + 1);
  expect(bench.told).toEqual(['shop']);
});

it('tells whoever listens, in the transaction, which environment has changed', async () => {
  await drafted({ orders: { a: 1 } });
  const client = await bench.pool.connect();
  const heard: string[] = [];
  client.on('notification', ({ channel, payload }) => heard.push(`${channel} ${payload}`));
  await client.query('LISTEN tercet_config');
  await release();
  await until('the notice came', async () => heard.length > 0);
  client.release(true);
  expect(heard).toEqual(['tercet_config shop']);
});

it('releases what is named alone', async () => {
  await drafted({ orders: { a: 1 }, stock: { b: 2 } });
  expect((await release({ namespaces: ['stock', 'stock'] })).view.namespaces).toEqual(['stock']);
  expect((await bench.center.namespace('shop', 'orders')).draft).not.toBeNull();
  expect((await refusal(release({ namespaces: ['stock'] }))).detail).toContain('shop/stock has no draft');
  expect((await refusal(release({ namespaces: ['orders', 'none'] }))).code).toBe('TERCET_CONFIG_UNKNOWN');
  await release();
  expect(await refusal(release())).toMatchObject({
    code: 'TERCET_CONFIG_CONFLICT',
    detail: expect.stringContaining('nothing to release'),
  });
  expect((await refusal(bench.center.release('none', all, 'rob'))).code).toBe('TERCET_CONFIG_UNKNOWN');
});

it('never shows half of a release to anybody who reads', async () => {
  const names = ['a', 'b', 'c', 'd'];
  const contents = (n: number) => Object.fromEntries(names.map((name) => [name, { n }]));
  await bench.release('shop', contents(1));
  let isOver = false;
  let seen = 0;
  const look = async (): Promise<void> => {
    while (!isOver) {
      const rows = await bench.query<{ releases: number; contents: number }>(
        `SELECT count(DISTINCT n.release)::int AS releases, count(DISTINCT c.content)::int AS contents
           FROM tercet.config_namespace n JOIN tercet.config_content c
             ON c.environment = n.environment AND c.number = n.release AND c.namespace = n.name
          WHERE n.environment = 'shop'`,
      );
      expect(rows[0]).toEqual({ releases: 1, contents: 1 });
      seen += 1;
    }
  };
  const reading = Promise.all([look(), look(), look(), look()]);
  for (let n = 2; n <= 12; n += 1) await bench.release('shop', contents(n));
  isOver = true;
  await reading;
  expect(seen).toBeGreaterThan(50);
});

it('stores a draft that does not fit, says why, and does not release it', async () => {
  const rules: ConfigRule[] = [{ path: '/pauseMs', is: '<', than: '/deadlineMs', message: 'a pause is no deadline' }];
  const schema = { type: 'object', properties: { pauseMs: { type: 'number' }, name: { type: 'string' } } };
  await bench.center.put('shop', 'orders', { schema, rules }, 'ann');
  const draft = await bench.draft('shop', 'orders', { name: 1, pauseMs: 10, deadlineMs: 10 });
  expect(draft.problems).toEqual([
    { path: '/name', message: 'must be string' },
    { path: '/pauseMs', message: 'a pause is no deadline' },
  ]);
  await drafted({ stock: { b: 1 } });
  const error = await refusal(release());
  expect(error.toProblem()).toMatchObject({
    status: 422,
    code: 'TERCET_CONFIG_INVALID',
    errors: [
      { path: 'orders/name', message: 'must be string' },
      { path: 'orders/pauseMs', message: 'a pause is no deadline' },
    ],
  });
  expect((await bench.inForce('shop'))['stock']).toEqual([null, null]);
  await bench.draft('shop', 'orders', { pauseMs: 9, deadlineMs: 10 });
  expect((await release()).view.release).toBe(1);
  // What is put later says so of a draft that fitted before.
  await bench.draft('shop', 'orders', { pauseMs: 9, deadlineMs: 11 });
  await bench.center.put('shop', 'orders', { schema: { type: 'object', required: ['name'] } }, 'ann');
  expect((await bench.center.namespace('shop', 'orders')).draft?.problems).toHaveLength(1);
});

it('asks the code what fits into what is built in, and lets nobody put another schema', async () => {
  expect(await bench.center.namespace('tercet', 'coordinator')).toMatchObject({
    isBuiltIn: true,
    schema: { type: 'object' },
    rules: [],
    release: null,
  });
  const draft = await bench.draft('tercet', 'coordinator', { pool: 'many' });
  expect(draft.problems).toEqual([{ path: '/pool', message: 'must be number' }]);
  const error = await refusal(bench.center.release('tercet', all, 'rob'));
  expect(error.errors).toEqual([{ path: 'coordinator/pool', message: 'must be number' }]);
  for (const namespace of ['coordinator', 'other']) {
    expect((await refusal(bench.center.put('tercet', namespace, { schema: {} }, 'ann'))).status).toBe(422);
  }
});

it('does not release a draft over a release that it does not know', async () => {
  await bench.release('shop', { orders: { a: 1 } });
  await bench.release('shop', { orders: { a: 2 } });
  await bench.draft('shop', 'orders', { a: 3 });
  await rollback(1);
  expect(await refusal(release({ namespaces: ['orders'] }))).toMatchObject({
    code: 'TERCET_CONFIG_CONFLICT',
    diff: [{ path: '/a', kind: 'changed', from: 2, to: 1 }],
  });
});

it('does not release what another person edits, but what one edits oneself', async () => {
  await drafted({ orders: { a: 1 }, stock: { b: 1 } });
  const lock = await bench.center.lock('shop', 'stock', 60_000, 'ann');
  const error = await refusal(release());
  expect(error).toMatchObject({
    code: 'TERCET_CONFIG_LOCKED',
    detail: expect.stringContaining('shop/stock: ann edits it'),
  });
  expect((await bench.inForce('shop'))['orders']).toEqual([null, null]);
  await bench.center.release('shop', { reason: 'mine', mode: 'all' }, 'ann');
  expect((await bench.center.renew('shop', 'stock', { ...lock, ttlMs: 60_000 }, 'ann')).token).toBe(lock.token);
});

it('makes releases of one environment one after the other, and numbers them without a gap', async () => {
  const names = Array.from({ length: 12 }, (_, index) => `n${index}`);
  await drafted(Object.fromEntries(names.map((name) => [name, { name }])));
  const centers = [bench.center, bench.another({}), bench.another({})];
  const done = await Promise.all(
    names.map((name, index) => centers[index % 3]!.release('shop', { ...all, namespaces: [name] }, 'rob')),
  );
  expect(done.map(({ view }) => view.release).sort((a, b) => a - b)).toEqual(names.map((_, index) => index + 1));
  const inForce = await bench.inForce('shop');
  for (const { view } of done) expect(inForce[view.namespaces[0]!]?.[0]).toBe(view.release);
});

it('releases a draft once, however many release it at once', async () => {
  await drafted({ orders: { a: 1 } });
  const centers = [bench.center, bench.another({}), bench.another({}), bench.another({})];
  const done = await Promise.allSettled(centers.map((center) => center.release('shop', all, 'rob')));
  expect(done.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const each of done) {
    if (each.status === 'rejected') expect((each.reason as TercetError).code).toBe('TERCET_CONFIG_CONFLICT');
  }
  expect((await bench.center.releases('shop', { limit: 10, before: null })).releases).toHaveLength(1);
});

it('does not release what was changed after it was looked at', async () => {
  await drafted({ orders: { a: 1 } });
  const client = await bench.pool.connect();
  await client.query('BEGIN');
  await client.query(`SELECT FROM tercet.config_environment WHERE name = 'shop' FOR UPDATE`);
  const releasing = refusal(release());
  const waits = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
  await until('the release waits', async () => (await bench.query(waits)).length > 0);
  await client.query(`UPDATE tercet.config_namespace SET rules = '[{"path":"/a","is":">","than":"/a"}]'`);
  await client.query('COMMIT');
  client.release();
  expect((await releasing).code).toBe('TERCET_CONFIG_CONFLICT');
  expect((await bench.center.releases('shop', { limit: 10, before: null })).releases).toEqual([]);
});

it('rolls back by a new release with what was in force then, and forward again', async () => {
  await bench.release('shop', { orders: { v: 1 }, stock: { v: 1 } });
  await bench.release('shop', { orders: { v: 2 } });
  await bench.release('shop', { stock: { v: 3 }, late: { v: 3 } });
  const { view } = await rollback(1);
  expect(view).toMatchObject({ release: 4, restores: 1, namespaces: ['orders', 'stock'], state: 'in force' });
  expect(view.changes['orders']).toEqual([{ path: '/v', kind: 'changed', from: 2, to: 1 }]);
  // What had no content then keeps what it has.
  expect(await bench.inForce('shop')).toEqual({ late: [3, { v: 3 }], orders: [4, { v: 1 }], stock: [4, { v: 1 }] });
  expect((await rollback(3)).view).toMatchObject({ release: 5, restores: 3, namespaces: ['orders', 'stock'] });
  expect(await bench.inForce('shop')).toEqual({ late: [3, { v: 3 }], orders: [5, { v: 2 }], stock: [5, { v: 3 }] });
  expect((await rollback(4)).view.contents['orders']?.content).toEqual({ v: 1 });
  expect((await refusal(rollback(4))).code).toBe('TERCET_CONFIG_CONFLICT');
  expect((await refusal(rollback(99))).code).toBe('TERCET_CONFIG_UNKNOWN');
  const { releases } = await bench.center.releases('shop', { limit: 10, before: null });
  expect(releases.map(({ release: number, state }) => `${number} ${state}`)).toEqual([
    '6 in force',
    '5 replaced',
    '4 replaced',
    '3 in force',
    '2 replaced',
    '1 replaced',
  ]);
});

it('does not roll back to what does not fit any more, and leaves drafts alone', async () => {
  await bench.release('shop', { orders: { v: 'one' } });
  await bench.release('shop', { orders: { v: 2 } });
  await bench.draft('shop', 'orders', { v: 3 });
  await bench.center.put('shop', 'orders', { schema: { properties: { v: { type: 'number' } } } }, 'ann');
  expect((await refusal(rollback(1))).errors).toEqual([{ path: 'orders/v', message: 'must be number' }]);
  await bench.center.put('shop', 'orders', { schema: null }, 'ann');
  await rollback(1);
  expect((await bench.center.namespace('shop', 'orders')).draft).toMatchObject({ base: 2, content: { v: 3 } });
});

it('says what it would do, and writes nothing', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  await bench.draft('shop', 'orders', { v: 2 });
  const dump = async () =>
    JSON.stringify(await bench.query('SELECT * FROM tercet.config_namespace, tercet.config_audit'));
  const before = await dump();
  const { view } = await release({ dryRun: true });
  expect(view).toMatchObject({ release: 2, state: 'pending', changes: { orders: [{ path: '/v', from: 1, to: 2 }] } });
  expect(await dump()).toBe(before);
  await release();
  expect((await rollback(1, { dryRun: true })).view).toMatchObject({ release: 3, restores: 1 });
  expect((await bench.center.releases('shop', { limit: 10, before: null })).releases).toHaveLength(2);
});

it('shows releases by pages, the newest first', async () => {
  for (let v = 1; v <= 5; v += 1) await bench.release('shop', { orders: { v } });
  const first = await bench.center.releases('shop', { limit: 2, before: null });
  expect([first.releases.map((each) => each.release), first.next]).toEqual([[5, 4], 4]);
  const last = await bench.center.releases('shop', { limit: 3, before: first.next });
  expect([last.releases.map((each) => each.release), last.next]).toEqual([[3, 2, 1], null]);
  expect((await refusal(bench.center.releases('none', { limit: 1, before: null }))).code).toBe('TERCET_CONFIG_UNKNOWN');
  expect((await refusal(bench.center.releaseOf('shop', 9))).code).toBe('TERCET_CONFIG_UNKNOWN');
});

it('releases no more at once than its limit, and names what is too much', async () => {
  await bench.center.put('shop', 'n', {}, 'ann');
  await bench.query(`INSERT INTO tercet.config_namespace (environment, name, draft, drafted_by, draft_reason)
                     SELECT 'shop', 'n' || n, '{"a":"' || repeat('x', 260000) || '"}', 'ann', 'r' FROM generate_series(1, 70) n`);
  const error = await refusal(release());
  expect(error).toMatchObject({ code: 'TERCET_REQUEST_INVALID', errors: [{ path: 'namespaces' }] });
  expect((await release({ namespaces: ['n1', 'n2'] })).view.release).toBe(1);
});

it('does not say that nothing was done where it was done, and only the answer cannot be read', async () => {
  await drafted({ orders: { a: 1 } });
  const center = bench.another({ changed: (database) => void database.close() });
  await expect(center.release('shop', all, 'rob')).rejects.toThrow(LogOutcomeUnknown);
  expect(await bench.inForce('shop')).toEqual({ orders: [1, { a: 1 }] });
});

it('knows no release of a number that is none', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  const far = 2 ** 40;
  const draft = { base: far, content: {}, reason: 'r' };
  for (const asked of [bench.center.releaseOf('shop', far), rollback(far), bench.center.diff('shop', far, 'current')]) {
    expect((await refusal(asked)).code).toBe('TERCET_CONFIG_UNKNOWN');
  }
  expect((await refusal(bench.center.writeDraft('shop', 'orders', draft, 'ann'))).code).toBe('TERCET_CONFIG_CONFLICT');
  expect((await bench.center.releases('shop', { limit: 5, before: far })).releases).toHaveLength(1);
});

it('compares releases, what is in force, and drafts', async () => {
  await bench.release('shop', { orders: { v: 1 }, stock: { s: 1 } });
  await bench.release('shop', { orders: { v: 2 } });
  await bench.draft('shop', 'stock', { s: 2 });
  const diff = (from: number | 'draft' | 'current', to: number | 'draft' | 'current', namespace?: string) =>
    bench.center.diff('shop', from, to, namespace);
  expect(await diff(1, 'current')).toEqual({
    from: '1',
    to: 'current',
    namespaces: { orders: [{ path: '/v', kind: 'changed', from: 1, to: 2 }] },
  });
  expect((await diff('current', 'draft')).namespaces).toEqual({
    stock: [{ path: '/s', kind: 'changed', from: 1, to: 2 }],
  });
  expect(Object.keys((await diff(1, 'draft')).namespaces)).toEqual(['orders', 'stock']);
  expect(Object.keys((await diff(1, 'draft', 'stock')).namespaces)).toEqual(['stock']);
  expect((await diff(2, 'current')).namespaces).toEqual({});
  expect((await refusal(diff(1, 7))).code).toBe('TERCET_CONFIG_UNKNOWN');
  expect((await refusal(diff(1, 2, 'none'))).code).toBe('TERCET_CONFIG_UNKNOWN');
});

it('finds content that was changed behind its back, wherever it is read', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  await bench.release('shop', { orders: { v: 2 } });
  await bench.query(`UPDATE tercet.config_content SET content = '{"v":9}' WHERE number = 1`);
  for (const asked of [bench.center.releaseOf('shop', 1), bench.center.diff('shop', 1, 2), rollback(1)]) {
    expect(await refusal(asked)).toMatchObject({
      code: 'TERCET_CONFIG_CORRUPT',
      detail: expect.stringContaining('shop/orders'),
    });
  }
  await bench.query(`UPDATE tercet.config_content SET content = '{"v":9}' WHERE number = 2`);
  expect((await refusal(bench.center.namespace('shop', 'orders'))).code).toBe('TERCET_CONFIG_CORRUPT');
  await bench.query(`DELETE FROM tercet.config_content WHERE number = 2`);
  for (const asked of [bench.center.namespace('shop', 'orders'), bench.center.releaseOf('shop', 2)]) {
    expect((await refusal(asked)).code).toBe('TERCET_CONFIG_CORRUPT');
  }
});
