import { parseMasterKeys } from '../../src/config-center/master-keys.js';
import type { NamespacePut } from '../../src/config-center/orders.js';
import { MASK } from '../../src/config/secret.js';
import type { ConfigContent, ConfigRule } from '../../src/protocol/config.js';
import type { Json } from '../../src/protocol/words.js';
import { Bench, masterKey, refusal, refusals } from './center.js';

const K1 = masterKey('k1');
const K2 = masterKey('k2');
const CLEAR = 'hunter2-Zürich';
const OTHER = 'swordfish-0815';
const masked = { $secret: MASK };

let bench: Bench;

beforeEach(async () => {
  bench = await Bench.start(K1);
});
afterEach(() => bench.close());

const secret = (text: string) => ({ $secret: text });
const all = { reason: 'it is time', mode: 'all' } as const;

async function stored(number: number, namespace = 'orders'): Promise<string> {
  const [row] = await bench.query<{ content: string }>(
    'SELECT content FROM tercet.config_content WHERE number = $1 AND namespace = $2',
    [number, namespace],
  );
  return row!.content;
}

const plain = async (number: number, center = bench.center): Promise<ConfigContent> =>
  center.reveal('shop', 'orders', await stored(number), 'plain');

it('shows a secret to nobody but instances: in no view, diff, audit, log or error, and in no table', async () => {
  const error = await bench.center.put('shop', 'orders', { schema: { properties: { p: { minLength: 99 } } } }, 'ann');
  const shown: unknown[] = [error];
  shown.push(await bench.draft('shop', 'orders', { p: secret(CLEAR), list: [{ p: secret(OTHER) }] }));
  shown.push((await refusal(bench.center.release('shop', all, 'rob'))).toProblem());
  await bench.center.put(
    'shop',
    'orders',
    { schema: null, rules: [{ path: '/p', is: '!=', than: '/list/0/p' }] },
    'ann',
    true,
  );
  shown.push(await bench.center.release('shop', { ...all, dryRun: true }, 'rob'));
  shown.push(await bench.center.release('shop', all, 'rob'));
  shown.push(await bench.draft('shop', 'orders', { p: secret(OTHER), list: [{ p: secret(OTHER) }] }));
  const conflict = { base: 1, content: { p: secret(CLEAR) }, reason: 'r' };
  shown.push((await refusal(bench.center.writeDraft('shop', 'orders', conflict, 'bob'))).toProblem());
  shown.push((await refusal(bench.center.writeDraft('shop', 'orders', { ...conflict, base: null }, 'b'))).toProblem());
  shown.push((await refusal(bench.center.release('shop', all, 'rob'))).toProblem());
  shown.push(await bench.center.namespace('shop', 'orders'), await bench.center.releaseOf('shop', 1));
  shown.push(await bench.center.diff('shop', 'current', 'draft'));
  await bench.center.put('shop', 'orders', { rules: [] }, 'ann', true);
  const gray = { reason: 'r', mode: 'gray', gray: { percent: 1 } } as const;
  shown.push(await bench.center.release('shop', gray, 'rob'));
  shown.push(await bench.center.abort('shop', 'no', 'rob'));
  shown.push(await bench.center.audit('shop', { limit: 500, before: null }), bench.logged);
  const tables = await bench.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'tercet' AND table_name LIKE 'config%'`,
  );
  expect(tables).toHaveLength(9);
  for (const { name } of tables) shown.push(await bench.query(`SELECT * FROM tercet.${name}`));
  const dump = JSON.stringify(shown);
  for (const text of [CLEAR, OTHER]) {
    expect(dump).not.toContain(text);
    expect(dump).not.toContain(Buffer.from(text).toString('base64').slice(0, 12));
  }
  expect(await plain(1)).toEqual({ p: CLEAR, list: [{ p: OTHER }] });
  expect(await bench.center.reveal('shop', 'orders', await stored(1), 'masked')).toEqual({
    p: MASK,
    list: [{ p: MASK }],
  });
});

it('keeps what was sent back masked, from the draft or else from what is in force', async () => {
  await bench.release('shop', { orders: { a: secret(CLEAR), b: secret(CLEAR) } });
  await bench.draft('shop', 'orders', { a: masked, b: secret(OTHER) });
  await bench.draft('shop', 'orders', { a: masked, b: masked, c: 1 });
  await bench.center.release('shop', all, 'rob');
  expect(await plain(2)).toEqual({ a: CLEAR, b: OTHER, c: 1 });
  await bench.draft('shop', 'orders', { c: 2 });
  await bench.draft('shop', 'orders', { a: masked, c: 2 });
  await bench.center.release('shop', all, 'rob');
  expect(await plain(3)).toEqual({ a: CLEAR, c: 2 });
});

it('refuses a masked secret where there is none to keep', async () => {
  await bench.release('shop', { orders: { a: secret(CLEAR), list: [secret(CLEAR)] } });
  const error = await refusal(bench.draft('shop', 'orders', { a: masked, b: masked, list: [masked, masked] }));
  expect(error).toMatchObject({ code: 'TERCET_CONFIG_INVALID' });
  expect(error.errors?.map(({ path }) => path)).toEqual(['/b', '/list/0', '/list/1']);
  expect((await bench.center.namespace('shop', 'orders')).draft).toBeNull();
});

const item = (name: string, p: Json) => ({ name, p });
const [A, B] = [item('a', secret(CLEAR)), item('b', secret(OTHER))];
const [a, b] = [item('a', masked), item('b', masked)];

it.each<[string, Json[], Json[], Json[]]>([
  ['removed', [A, B], [b], [item('b', OTHER)]],
  ['swapped', [A, B], [b, a], [item('b', OTHER), item('a', CLEAR)]],
  ['put before', [A, B], [item('c', secret('new')), a, b], [item('c', 'new'), item('a', CLEAR), item('b', OTHER)]],
  ['renamed', [A, B], [item('z', masked), b], [item('z', CLEAR), item('b', OTHER)]],
  ['replaced', [secret(CLEAR), secret(OTHER)], [masked, secret('new')], [CLEAR, 'new']],
])('keeps a masked secret with its item of a list: %s', async (_, list, sent, kept) => {
  await bench.release('shop', { orders: { list } });
  await bench.release('shop', { orders: { list: sent } });
  expect(await plain(2)).toEqual({ list: kept });
});

it.each<[string, Json[], Json[], string[]]>([
  ['removed', [secret(CLEAR), secret(OTHER)], [masked], ['/list/0']],
  ['added', [A], [a, item('b', masked)], ['/list/1/p']],
  ['renamed and moved', [A, B], [b, item('z', masked)], ['/list/1/p']],
])('refuses a masked secret of a list where it may be another one: %s', async (_, list, sent, paths) => {
  await bench.release('shop', { orders: { list } });
  const error = await refusal(bench.draft('shop', 'orders', { list: sent }));
  expect(error.errors?.map(({ path }) => path)).toEqual(paths);
});

it('takes the secret of a list from what is in force only where the draft leaves nothing open', async () => {
  await bench.release('shop', { orders: { list: [secret(CLEAR)] } });
  await bench.draft('shop', 'orders', { list: [secret(OTHER), secret('new')] });
  expect((await refusal(bench.draft('shop', 'orders', { list: [masked] }))).errors).toHaveLength(1);
});

it('refuses a mask of a draft on another base where what is in force has another secret by now', async () => {
  await bench.release('shop', { orders: { p: secret(CLEAR), q: secret(CLEAR) } });
  await bench.release('shop', { orders: { p: secret(OTHER), q: masked } });
  await bench.draft('shop', 'orders', { p: masked, q: masked, own: secret('new') });
  const back = { reason: 'p was wrong', mode: 'all' } as const;
  await bench.center.rollback('shop', 1, back, 'rob');
  const error = await refusal(bench.draft('shop', 'orders', { p: masked, q: masked, own: masked }));
  expect(error.errors).toEqual([{ path: '/p', message: expect.stringContaining('have different secrets here') }]);
  await bench.draft('shop', 'orders', { p: secret('newest'), q: masked, own: masked });
  await bench.center.release('shop', all, 'rob');
  expect(await plain(4)).toEqual({ p: 'newest', q: CLEAR, own: 'new' });
});

it('shows no change where the same secret was written again, and one where another was', async () => {
  await bench.release('shop', { orders: { a: secret(CLEAR), b: secret(CLEAR) } });
  await bench.draft('shop', 'orders', { a: secret(OTHER), b: secret(CLEAR) });
  const draft = await bench.draft('shop', 'orders', { a: secret(CLEAR), b: secret(OTHER) });
  expect(draft.content).toEqual({ a: masked, b: masked });
  expect((await bench.center.diff('shop', 'current', 'draft')).namespaces).toEqual({
    orders: [{ path: '/b', kind: 'changed', from: masked, to: masked }],
  });
});

it('tells in a conflict which secrets differ, and shows none', async () => {
  await bench.release('shop', { orders: { a: secret(CLEAR), b: secret(CLEAR), c: secret(CLEAR) } });
  await bench.draft('shop', 'orders', { a: secret(OTHER), b: secret(CLEAR), c: secret(OTHER) });
  const yours = { base: 1, content: { a: secret(CLEAR), b: masked, c: secret(OTHER) }, reason: 'r' };
  const error = await refusal(bench.center.writeDraft('shop', 'orders', yours, 'bob', true));
  expect(error.diff).toEqual([{ path: '/a', kind: 'changed', from: masked, to: masked }]);
});

it('shows to who may not read secrets the same whether his guess is right or not, in a conflict and in a diff', async () => {
  await bench.release('shop', { orders: { a: secret(CLEAR), b: secret(CLEAR), c: secret(CLEAR) } });
  await bench.draft('shop', 'orders', { a: secret(OTHER), b: secret(CLEAR), c: secret(OTHER) });
  const content = { a: secret(OTHER), b: masked, c: secret('wrong') };
  const late = await refusal(bench.center.writeDraft('shop', 'orders', { base: 1, content, reason: 'r' }, 'eve'));
  const changed = (path: string) => ({ path, kind: 'changed', from: masked, to: masked });
  expect(late.diff).toEqual([changed('/a'), changed('/c')]);
  await bench.draft('shop', 'orders', { a: secret(CLEAR), b: masked, c: secret('wrong') }, 'eve', false);
  expect((await bench.center.diff('shop', 'current', 'draft')).namespaces).toEqual({
    orders: [changed('/a'), changed('/c')],
  });
  await bench.center.release('shop', all, 'rob');
  expect(await plain(2)).toEqual({ a: CLEAR, b: CLEAR, c: 'wrong' });
});

it('validates secrets as the strings that they are', async () => {
  const schema = { properties: { p: { type: 'string', minLength: 5, maxLength: 20 } } };
  await bench.center.put('shop', 'orders', { schema }, 'ann');
  expect((await bench.draft('shop', 'orders', { p: secret('four') })).problems).toEqual([
    { path: '/p', message: 'must NOT have fewer than 5 characters' },
  ]);
  expect((await bench.draft('shop', 'orders', { p: secret(CLEAR) })).problems).toEqual([]);
});

it('lets who may not read secrets change neither schema nor rules of a namespace that holds one', async () => {
  const schema = { properties: { p: { pattern: '^h' } } };
  const rules: ConfigRule[] = [{ path: '/p', is: '=', than: '/guess' }];
  const put = (over: NamespacePut, mayRead = false) => bench.center.put('shop', 'orders', over, 'ann', mayRead);
  await put({ schema });
  await bench.draft('shop', 'orders', { p: secret(CLEAR) });
  const tried = () => refusals(put({ schema: null }), put({ rules }));
  const drafted = await tried();
  await bench.center.release('shop', all, 'rob');
  for (const error of [...drafted, ...(await tried())]) {
    expect(error).toMatchObject({ code: 'TERCET_CONFIG_SECRET_FORBIDDEN', status: 403 });
    expect(error.detail).toContain('config-reader=shop');
  }
  expect((await put({ about: 'orders', schema, rules: [] })).view).toMatchObject({ about: 'orders', rules: [] });
  expect((await put({ rules }, true)).view).toMatchObject({ rules });
});

it('refuses a secret where there is no master key, and takes all else', async () => {
  const center = bench.another({});
  await center.put('shop', 'orders', {}, 'ann');
  const write = (content: ConfigContent) =>
    center.writeDraft('shop', 'orders', { base: null, content, reason: 'r' }, 'ann');
  const error = await refusal(write({ p: secret(CLEAR) }));
  expect(error).toMatchObject({ code: 'TERCET_CONFIG_SECRETS_OFF', status: 422 });
  expect(error.detail).toContain('TERCET_CONFIG_KEYS');
  expect((await refusal(center.rotate('r', 'adm'))).code).toBe('TERCET_CONFIG_SECRETS_OFF');
  await write({ p: 'no secret' });
});

it('names the namespace where the master key is wrong or absent, and never the value', async () => {
  await bench.release('shop', { orders: { p: secret(CLEAR) } });
  await bench.draft('shop', 'orders', { p: masked, more: 1 });
  for (const keys of [null, K2, masterKey('k1')]) {
    const center = bench.another({ keys });
    for (const error of await refusals(plain(1, center), center.release('shop', all, 'rob'))) {
      expect(error).toMatchObject({ code: 'TERCET_CONFIG_CORRUPT', status: 500 });
      expect(error.detail).toContain('shop/orders');
      expect(error.detail).not.toContain(CLEAR);
    }
    // Whoever only looks sees all that is no secret, and that the draft cannot be released here.
    const view = await center.namespace('shop', 'orders');
    expect(view.content).toEqual({ p: masked });
    expect(view.draft?.problems).toEqual([{ path: '', message: expect.stringContaining('shop/orders') }]);
  }
  expect((await bench.center.namespace('shop', 'orders')).draft?.problems).toEqual([]);
});

it('finds a secret that was changed behind its back', async () => {
  await bench.release('shop', { orders: { p: secret(CLEAR) }, stock: { p: secret(OTHER) } });
  const sealed = (JSON.parse(await stored(1)) as { p: { $secret: string } }).p.$secret;
  const bytes = Buffer.from(sealed, 'base64');
  bytes[bytes.length - 1]! ^= 1;
  const foreign = await stored(1, 'stock');
  for (const text of [
    JSON.stringify({ p: secret(bytes.toString('base64')) }),
    JSON.stringify({ p: secret('') }),
    foreign,
  ]) {
    expect((await refusal(bench.center.reveal('shop', 'orders', text, 'plain'))).code).toBe('TERCET_CONFIG_CORRUPT');
  }
  await bench.query(`UPDATE tercet.config_data_key SET wrapped = (SELECT wrapped FROM tercet.config_data_key
                      WHERE namespace = 'stock') WHERE namespace = 'orders'`);
  const fresh = bench.another({ keys: K1 });
  expect((await refusal(plain(1, fresh))).code).toBe('TERCET_CONFIG_CORRUPT');
  await bench.query(`DELETE FROM tercet.config_data_key WHERE namespace = 'orders'`);
  expect((await refusal(plain(1, fresh))).code).toBe('TERCET_CONFIG_CORRUPT');
});

it('makes one data key however many write the first secret at once', async () => {
  const names = Array.from({ length: 6 }, (_, index) => `n${index}`);
  for (const name of names) await bench.center.put('shop', name, {}, 'ann');
  const centers = [bench.center, bench.another({ keys: K1 }), bench.another({ keys: K1 })];
  const write = { base: null, content: { p: secret(CLEAR) }, reason: 'r' };
  for (const name of names) {
    const done = await Promise.allSettled(centers.map((center) => center.writeDraft('shop', name, write, 'ann')));
    expect(done.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  }
  await bench.center.release('shop', all, 'rob');
  for (const name of names) {
    for (const center of centers) {
      expect(await center.reveal('shop', name, await stored(1, name), 'plain')).toEqual({ p: CLEAR });
    }
  }
});

it('wraps data keys anew by the first master key, and changes no content and no checksum', async () => {
  await bench.release('shop', { orders: { p: secret(CLEAR) } });
  await bench.release('bank', { accounts: { p: secret(OTHER) } });
  await bench.release('shop', { orders: { p: secret(OTHER) } });
  const before = await bench.query('SELECT * FROM tercet.config_content, tercet.config_release');
  const rotating = bench.another({ keys: `${K2},${K1}` });
  expect(await rotating.rotate('k1 was seen', 'adm')).toBe(2);
  expect(await bench.query('SELECT * FROM tercet.config_content, tercet.config_release')).toEqual(before);
  expect(await bench.query('SELECT DISTINCT master FROM tercet.config_data_key')).toEqual([{ master: 'k2' }]);
  const after = bench.another({ keys: K2 });
  expect(await plain(1, after)).toEqual({ p: CLEAR });
  expect(await plain(2, after)).toEqual({ p: OTHER });
  expect((await refusal(plain(1, bench.another({ keys: K1 })))).code).toBe('TERCET_CONFIG_CORRUPT');
  for (const environment of ['shop', 'bank']) {
    const { entries } = await after.audit(environment, { limit: 1, before: null });
    expect(entries[0]).toMatchObject({ action: 'rotate', by: 'adm', reason: 'k1 was seen' });
  }
});

it('wraps all data keys or none', async () => {
  await bench.release('shop', { orders: { p: secret(CLEAR) } });
  const other = bench.another({ keys: K2 });
  await other.put('bank', 'accounts', {}, 'ann');
  await other.writeDraft('bank', 'accounts', { base: null, content: { p: secret(OTHER) }, reason: 'r' }, 'ann');
  const before = await bench.query('SELECT * FROM tercet.config_data_key ORDER BY id');
  const error = await refusal(bench.center.rotate('r', 'adm'));
  expect(error).toMatchObject({ code: 'TERCET_CONFIG_CORRUPT', detail: expect.stringContaining('bank/accounts') });
  expect(await bench.query('SELECT * FROM tercet.config_data_key ORDER BY id')).toEqual(before);
});

it.each([
  ['', /0 entries/],
  ['k1', /entry 1/],
  [`${K1},k2:c2hvcnQ=`, /entry 2/],
  [`${K1},${masterKey('k1')}`, /'k1' of another/],
  [`k 1:${K1.slice(3)}`, /entry 1/],
])('names the entry of master keys that is wrong, and shows no key: %#', (text, message) => {
  expect(() => parseMasterKeys(text)).toThrow(message);
  try {
    parseMasterKeys(text);
  } catch (error) {
    expect((error as Error).message).not.toContain(K1.slice(3));
  }
});

it('seals nothing by a key that the database has lost, as a failover may', async () => {
  await bench.center.put('shop', 'orders', {}, 'ann', true);
  await bench.draft('shop', 'orders', { p: secret(CLEAR) });
  await bench.query('DELETE FROM tercet.config_data_key');
  await bench.draft('shop', 'orders', { p: secret(OTHER) });
  await bench.center.release('shop', all, 'rob');
  expect(await plain(1, bench.another({ keys: K1 }))).toEqual({ p: OTHER });
});
