import { Bench, refusal } from './center.js';

let bench: Bench;

beforeEach(async () => {
  bench = await Bench.start();
});
afterEach(() => bench.close());

const put = (environment: string, namespace: string, over: object = {}) =>
  bench.center.put(environment, namespace, over, 'ann');
const audit = async (environment = 'shop') =>
  (await bench.center.audit(environment, { limit: 500, before: null })).entries;

it('makes an environment with its first namespace, and lists what there is', async () => {
  const { created, view } = await put('shop', 'orders', { about: 'what orders go by' });
  expect(created).toBe(true);
  expect(view).toEqual({
    environment: 'shop',
    namespace: 'orders',
    about: 'what orders go by',
    release: null,
    hasDraft: false,
    isBuiltIn: false,
    schema: null,
    rules: [],
    content: null,
    checksum: null,
    draft: null,
    editor: null,
  });
  await put('shop', 'stock');
  expect(await bench.center.environments()).toEqual({
    environments: [
      { environment: 'shop', namespaces: 2, lastRelease: 0, revision: 0, rollout: null },
      { environment: 'tercet', namespaces: 1, lastRelease: 0, revision: 0, rollout: null },
    ],
  });
  const { namespaces } = await bench.center.namespaces('shop');
  expect(namespaces[0]).toEqual({
    environment: 'shop',
    namespace: 'orders',
    about: 'what orders go by',
    release: null,
    hasDraft: false,
  });
  expect((await refusal(bench.center.namespaces('none'))).code).toBe('TERCET_CONFIG_UNKNOWN');
  expect((await refusal(bench.center.namespace('shop', 'none'))).code).toBe('TERCET_CONFIG_UNKNOWN');
});

it('changes what is given, keeps what is not, and takes a schema away by null', async () => {
  const rules = [{ path: '/a', is: '<', than: '/b' }];
  await put('shop', 'orders', { schema: { type: 'object' }, rules });
  expect(await put('shop', 'orders', { about: 'x' })).toMatchObject({
    created: false,
    view: { about: 'x', schema: { type: 'object' }, rules },
  });
  expect((await put('shop', 'orders', { schema: null })).view).toMatchObject({ schema: null, rules, about: 'x' });
  await put('shop', 'orders', { about: 'x' });
  expect((await audit()).map(({ action, changes }) => [action, changes?.map(({ path }) => path)])).toEqual([
    ['namespace', ['/schema']],
    ['namespace', ['/about']],
    ['namespace', ['/rules/0', '/schema']],
  ]);
});

it('refuses a schema or a rule that makes no sense, and changes nothing', async () => {
  await put('shop', 'orders', { about: 'x' });
  const schema = await refusal(put('shop', 'orders', { about: 'y', schema: { type: 'nothing' } }));
  expect(schema).toMatchObject({ code: 'TERCET_CONFIG_SCHEMA_INVALID', status: 422, errors: [{ path: 'schema' }] });
  const rule = await refusal(put('shop', 'orders', { about: 'y', rules: [{ path: 'a', is: '<', than: '/b' }] }));
  expect(rule).toMatchObject({ code: 'TERCET_CONFIG_SCHEMA_INVALID', errors: [{ path: 'rules/0/path' }] });
  expect((await bench.center.namespace('shop', 'orders')).about).toBe('x');
});

it('makes no more environments and namespaces than its limits, however many are put at once', async () => {
  await Promise.all(Array.from({ length: 48 }, (_, index) => put(`e${index}`, 'n')));
  const done = await Promise.allSettled(['x', 'y', 'z'].map((environment) => put(environment, 'n')));
  expect(done.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect((await bench.center.environments()).environments).toHaveLength(50);
  await bench.query(`INSERT INTO tercet.config_namespace (environment, name)
                     SELECT 'e0', 'more' || n FROM generate_series(1, 198) n`);
  const more = await Promise.allSettled(['x', 'y', 'z'].map((namespace) => put('e0', namespace)));
  expect(more.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(await refusal(put('e0', 'w'))).toMatchObject({
    code: 'TERCET_REQUEST_INVALID',
    errors: [{ path: 'namespace' }],
  });
  expect((await put('e0', 'more1', { about: 'still' })).view.about).toBe('still');
});

it('makes a namespace once, however many put it at once', async () => {
  const done = await Promise.all(Array.from({ length: 10 }, () => put('shop', 'orders')));
  expect(done.filter(({ created }) => created)).toHaveLength(1);
});

it('takes no name that is none', async () => {
  for (const [environment, namespace] of [
    ['Shop', 'orders'],
    ['shop', 'a/b'],
    ['-shop', 'orders'],
    ['shop', 'x'.repeat(65)],
  ] as const) {
    expect((await refusal(put(environment, namespace))).code).toBe('TERCET_CONFIG_UNKNOWN');
  }
});

it('keeps of each change who, when, why and what', async () => {
  await put('shop', 'orders');
  const lock = await bench.center.lock('shop', 'orders', 60_000, 'ann');
  await bench.center.writeDraft('shop', 'orders', { base: null, content: { v: 1 }, reason: 'first', lock }, 'ann');
  await bench.center.unlock('shop', 'orders', lock);
  await bench.center.release('shop', { reason: 'go', mode: 'all' }, 'rob');
  await bench.draft('shop', 'orders', { v: 2 });
  await bench.center.dropDraft('shop', 'orders', { revision: 2, reason: 'no' }, 'ann');
  await bench.release('shop', { orders: { v: 3 } });
  await bench.center.rollback('shop', 1, { reason: 'back', mode: 'gray', gray: { percent: 5 } }, 'rob');
  await bench.center.promote('shop', 'fine', 'rob');
  const entries = await audit();
  expect(entries.map(({ by, action, namespace, release, reason }) => [by, action, namespace, release, reason])).toEqual(
    [
      ['rob', 'promote', null, 3, 'fine'],
      ['rob', 'gray rollback', 'orders', 3, 'back'],
      ['rob', 'release', 'orders', 2, 'it is time'],
      ['ann', 'draft', 'orders', null, 'because'],
      ['ann', 'draft dropped', 'orders', null, 'no'],
      ['ann', 'draft', 'orders', null, 'because'],
      ['rob', 'release', 'orders', 1, 'go'],
      ['ann', 'draft', 'orders', null, 'first'],
      ['ann', 'edit lock', 'orders', null, null],
      ['ann', 'namespace', 'orders', null, null],
    ],
  );
  expect(entries[2]).toMatchObject({
    at: expect.stringMatching(/Z$/),
    environment: 'shop',
    changes: [{ path: '/v', kind: 'changed', from: 1, to: 3 }],
  });
  const first = await bench.center.audit('shop', { limit: 3, before: null });
  expect(first.entries).toEqual(entries.slice(0, 3));
  const rest = await bench.center.audit('shop', { limit: 50, before: first.next });
  expect(rest).toEqual({ entries: entries.slice(3), next: null });
  expect((await refusal(bench.center.audit('none', { limit: 1, before: null }))).code).toBe('TERCET_CONFIG_UNKNOWN');
});

it('lets nobody change what is in the audit', async () => {
  await put('shop', 'orders');
  for (const statement of [`UPDATE tercet.config_audit SET by = 'x'`, 'DELETE FROM tercet.config_audit']) {
    await expect(bench.query(statement)).rejects.toThrow('append-only');
  }
});
