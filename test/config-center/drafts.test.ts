import type { ConfigContent } from '../../src/protocol/config.js';
import { Bench, refusal, storeBeside } from './center.js';

let bench: Bench;

beforeEach(async () => {
  bench = await Bench.start();
});
afterEach(() => bench.close());

const write = (content: ConfigContent, over: { base?: number | null; revision?: number } = {}) => {
  return { base: null, content, reason: 'because', ...over };
};
const put = () => bench.center.put('shop', 'orders', {}, 'ann');

it('keeps a draft with who, when, why and on what, and raises its revision with each write', async () => {
  await put();
  const first = await bench.center.writeDraft('shop', 'orders', write({ b: 1, a: [true] }), 'ann');
  expect(first).toEqual({
    base: null,
    revision: 1,
    content: { b: 1, a: [true] },
    by: 'ann',
    at: expect.stringMatching(/^\d{4}-.*Z$/),
    reason: 'because',
    problems: [],
  });
  expect((await bench.center.namespace('shop', 'orders')).draft).toEqual(first);
  const second = await bench.center.writeDraft('shop', 'orders', write({ b: 2 }, { revision: 1 }), 'bob');
  expect(second).toMatchObject({ revision: 2, by: 'bob', content: { b: 2 } });
  await bench.center.dropDraft('shop', 'orders', { revision: 2, reason: 'no' }, 'bob');
  expect((await bench.center.namespace('shop', 'orders')).draft).toBeNull();
  expect(await bench.center.writeDraft('shop', 'orders', write({}), 'ann')).toMatchObject({ revision: 3 });
});

it('refuses a write on another revision, and says what differs from the draft that is there', async () => {
  await put();
  await bench.center.writeDraft('shop', 'orders', write({ a: 1, b: 1 }), 'ann');
  for (const revision of [0, 2]) {
    const error = await refusal(bench.center.writeDraft('shop', 'orders', write({ a: 2, b: 1 }, { revision }), 'bob'));
    expect(error.toProblem()).toMatchObject({
      status: 409,
      code: 'TERCET_CONFIG_CONFLICT',
      detail: expect.stringContaining('revision 1 by ann'),
      diff: [{ path: '/a', kind: 'changed', from: 1, to: 2 }],
    });
  }
  expect((await bench.center.namespace('shop', 'orders')).draft).toMatchObject({ revision: 1, by: 'ann' });
});

it('refuses a write on another release, and says what has changed since', async () => {
  const first = await bench.release('shop', { orders: { a: 1, b: 1 } });
  const second = await bench.release('shop', { orders: { a: 2, b: 1 } });
  const error = await refusal(bench.center.writeDraft('shop', 'orders', write({ b: 2 }, { base: first }), 'bob'));
  expect(error).toMatchObject({
    code: 'TERCET_CONFIG_CONFLICT',
    diff: [{ path: '/a', kind: 'changed', from: 1, to: 2 }],
  });
  const unreleased = await refusal(bench.center.writeDraft('shop', 'orders', write({}, { base: null }), 'bob'));
  expect(unreleased.diff).toHaveLength(2);
  await bench.center.writeDraft('shop', 'orders', write({ b: 2 }, { base: second }), 'bob');
});

it('lets exactly one of twenty editors win each revision, and loses and mixes nothing', async () => {
  await put();
  const centers = [bench.center, bench.another({}), bench.another({}), bench.another({})];
  const wins: number[] = [];
  const edit = async (editor: number): Promise<void> => {
    const center = centers[editor % centers.length]!;
    for (let won = 0; won < 2;) {
      const { draft } = await center.namespace('shop', 'orders');
      const content = { writers: [...((draft?.content['writers'] as string[]) ?? []), `${editor}.${won}`], by: editor };
      const revision = draft?.revision ?? 0;
      try {
        const written = await center.writeDraft('shop', 'orders', write(content, { revision }), `e${editor}`);
        expect(written.revision).toBe(revision + 1);
        wins.push(written.revision);
        won += 1;
      } catch (error) {
        expect(['TERCET_CONFIG_CONFLICT', 'TERCET_CONFIG_LOCKED']).toContain((error as { code: string }).code);
      }
    }
  };
  await Promise.all(Array.from({ length: 20 }, (_, editor) => edit(editor)));
  expect([...wins].sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
  const { draft } = await bench.center.namespace('shop', 'orders');
  const writers = draft!.content['writers'] as string[];
  expect(new Set(writers).size).toBe(40);
  expect(draft).toMatchObject({ revision: 40, by: `e${writers.at(-1)!.split('.')[0]}` });
  const { entries } = await bench.center.audit('shop', { limit: 500, before: null });
  expect(entries.filter(({ action }) => action === 'draft')).toHaveLength(40);
}, 120_000);

it('lets nobody else write while somebody edits, not even the same person elsewhere', async () => {
  await put();
  const lock = await bench.center.lock('shop', 'orders', 60_000, 'ann');
  for (const who of ['bob', 'ann']) {
    const error = await refusal(bench.center.writeDraft('shop', 'orders', write({}), who));
    expect(error).toMatchObject({
      code: 'TERCET_CONFIG_LOCKED',
      detail: expect.stringContaining('ann edits it until 2'),
    });
    expect(await refusal(bench.center.lock('shop', 'orders', 60_000, who))).toMatchObject({
      code: 'TERCET_CONFIG_LOCKED',
    });
  }
  expect((await bench.center.namespace('shop', 'orders')).editor).toMatchObject({ name: 'ann' });
  await bench.center.writeDraft('shop', 'orders', { ...write({ a: 1 }), lock }, 'ann');
  await bench.center.unlock('shop', 'orders', lock);
  expect((await bench.center.namespace('shop', 'orders')).editor).toBeNull();
  await bench.center.unlock('shop', 'orders', lock);
  await bench.center.writeDraft('shop', 'orders', write({ a: 2 }, { revision: 1 }), 'bob');
});

it('leaves no lock behind a write without one, however it ends', async () => {
  await put();
  await bench.center.writeDraft('shop', 'orders', write({}), 'ann');
  await refusal(bench.center.writeDraft('shop', 'orders', write({}), 'ann'));
  await refusal(bench.center.release('shop', { namespaces: ['orders', 'none'], reason: 'r', mode: 'all' }, 'ann'));
  expect(await bench.locks.list({ prefix: 'tercet.config.', limit: 10 })).toEqual([]);
});

it('renews a lock, and says so when it is lost', async () => {
  await put();
  const lock = await bench.center.lock('shop', 'orders', 5000, 'ann');
  const renewed = await bench.center.renew('shop', 'orders', { ...lock, ttlMs: 600_000 }, 'ann');
  expect(renewed).toMatchObject({ id: lock.id, token: lock.token });
  expect(Date.parse(renewed.until)).toBeGreaterThan(Date.parse(lock.until));
  const wrong = { ...lock, token: lock.token + 1, ttlMs: 5000 };
  expect(await refusal(bench.center.renew('shop', 'orders', wrong, 'ann'))).toMatchObject({
    code: 'TERCET_CONFIG_LOCK_LOST',
  });
  await bench.locks.seize('tercet.config.shop.orders');
  const lost = await refusal(bench.center.renew('shop', 'orders', { ...lock, ttlMs: 5000 }, 'ann'));
  expect(lost.code).toBe('TERCET_CONFIG_LOCK_LOST');
});

it('writes nothing by a lock that was taken away before the write', async () => {
  await put();
  const lock = await bench.center.lock('shop', 'orders', 60_000, 'ann');
  await bench.locks.seize('tercet.config.shop.orders');
  const error = await refusal(bench.center.writeDraft('shop', 'orders', { ...write({ a: 1 }), lock }, 'ann'));
  expect(error.code).toBe('TERCET_CONFIG_LOCK_LOST');
  expect((await bench.center.namespace('shop', 'orders')).draft).toBeNull();
});

it("writes nothing by another person's token", async () => {
  await put();
  const { token } = await bench.center.lock('shop', 'orders', 60_000, 'ann');
  const lock = { id: 'guessed', token };
  const error = await refusal(bench.center.writeDraft('shop', 'orders', { ...write({ a: 1 }), lock }, 'eve'));
  expect(error.code).toBe('TERCET_CONFIG_LOCK_LOST');
});

it('writes nothing by a lock that is taken away between looking and writing', async () => {
  await put();
  let isTaken = false;
  // Once somebody has looked whether the lock is held, it is taken away.
  const locks = storeBeside(bench.locks, {
    show: async (name) => {
      const held = await bench.locks.show(name);
      isTaken = (await bench.locks.seize(name)) !== null;
      return held;
    },
  });
  const lock = await bench.center.lock('shop', 'orders', 60_000, 'ann');
  const center = bench.another({ locks });
  const error = await refusal(center.writeDraft('shop', 'orders', { ...write({ a: 1 }), lock }, 'ann'));
  expect(isTaken).toBe(true);
  expect(error.code).toBe('TERCET_CONFIG_LOCK_LOST');
  expect((await bench.center.namespace('shop', 'orders')).draft).toBeNull();
  const { entries } = await bench.center.audit('shop', { limit: 10, before: null });
  expect(entries.map(({ action }) => action)).toEqual(['edit lock', 'namespace']);
});

it('writes nothing where something was released between looking and writing', async () => {
  const base = await bench.release('shop', { orders: { a: 1 } });
  // Once it has looked, and before it has the lock.
  const locks = storeBeside(bench.locks, {
    acquire: async (wish) => {
      await bench.release('shop', { orders: { a: 2 } });
      return bench.locks.acquire(wish);
    },
  });
  const error = await refusal(bench.another({ locks }).writeDraft('shop', 'orders', write({ a: 3 }, { base }), 'bob'));
  expect(error).toMatchObject({
    code: 'TERCET_CONFIG_CONFLICT',
    diff: [{ path: '/a', kind: 'changed', from: 1, to: 2 }],
  });
  expect((await bench.center.namespace('shop', 'orders')).draft).toBeNull();
});

it('says that it is not ready where the locks are away, and shows what there is all the same', async () => {
  await put();
  const locks = bench.locks;
  await locks.close();
  for (const asked of [
    bench.center.writeDraft('shop', 'orders', write({}), 'ann'),
    bench.center.lock('shop', 'orders', 5000, 'ann'),
    bench.center.unlock('shop', 'orders', { id: 'i', token: 1 }),
  ]) {
    expect((await refusal(asked)).code).toBe('TERCET_NOT_READY');
  }
  expect((await bench.center.namespace('shop', 'orders')).editor).toBeNull();
});

it.each<[string, string, string, ConfigContent]>([
  ['is no object', 'TERCET_REQUEST_INVALID', 'content', [] as unknown as ConfigContent],
  ['is too large', 'TERCET_REQUEST_INVALID', 'content', { a: 'x'.repeat(256 * 1024) }],
  ['holds U+0000', 'TERCET_REQUEST_INVALID', 'content', { a: '\0' }],
  ['is nested too deep', 'TERCET_CONFIG_INVALID', '', JSON.parse('{"a":'.repeat(65) + '1' + '}'.repeat(65))],
  ['has a key with $', 'TERCET_CONFIG_INVALID', '/a/0/$ref', { a: [{ $ref: 1 }] }],
  ['has a field beside $secret', 'TERCET_CONFIG_INVALID', '/a', { a: { $secret: 's', b: 1 } }],
  ['has something in $secret', 'TERCET_CONFIG_INVALID', '/a', { a: { $secret: { b: 1 } } }],
  ['is one secret', 'TERCET_CONFIG_INVALID', '', { $secret: 's' }],
  ['has an empty secret', 'TERCET_CONFIG_INVALID', '/a', { a: { $secret: '' } }],
  ['has a long secret', 'TERCET_CONFIG_INVALID', '/a', { a: { $secret: 'x'.repeat(4097) } }],
])('refuses a content that %s, names where, and changes nothing', async (_, code, path, content) => {
  await put();
  const error = await refusal(bench.center.writeDraft('shop', 'orders', write(content), 'ann'));
  expect(error.code).toBe(code);
  expect(error.errors).toContainEqual({ path, message: expect.any(String) });
  expect((await bench.center.namespace('shop', 'orders')).draft).toBeNull();
});

it('drops a draft only as the one that was seen, and not what another person edits', async () => {
  await put();
  await bench.draft('shop', 'orders', { a: 1 });
  const drop = (revision: number, who: string) => {
    return bench.center.dropDraft('shop', 'orders', { revision, reason: 'no' }, who);
  };
  expect((await refusal(drop(2, 'ann'))).code).toBe('TERCET_CONFIG_CONFLICT');
  await bench.center.lock('shop', 'orders', 60_000, 'ann');
  expect((await refusal(drop(1, 'bob'))).code).toBe('TERCET_CONFIG_LOCKED');
  await drop(1, 'ann');
  expect((await refusal(drop(1, 'ann'))).code).toBe('TERCET_CONFIG_UNKNOWN');
});
