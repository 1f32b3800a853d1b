/** The configuration center over HTTP: docs/wire.md, section 10. */
import { randomBytes } from 'node:crypto';
import { checksumOf } from '../../src/config/canonical.js';
import type {
  ConfigAuditView,
  ConfigDiffView,
  ConfigEnvironmentView,
  ConfigNodeView,
  DraftView,
  EditLockView,
  NamespaceView,
  ReleaseView,
  RolloutView,
} from '../../src/protocol/config.js';
import type { Problem } from '../../src/protocol/words.js';
import { TestNode } from './node.js';
import type { Reply } from './node.js';

const MASK = '••••••';
const BECAUSE = { reason: 'because' };
const KEYS = { TERCET_CONFIG_KEYS: `k1:${randomBytes(32).toString('base64')}` };

let node: TestNode;
let count = 0;
/** An environment of its own for each test. */
let env: string;

const at = (rest: string): string => `/v1/config/${env}${rest}`;
const ns = (name: string, rest = ''): string => at(`/namespaces/${name}${rest}`);
const refused = (status: number, code: string): object => ({ status, body: { status, code } });

async function made(name: string, over: object = {}): Promise<void> {
  expect(await node.put(ns(name), over)).toMatchObject({ status: 201 });
}

/** What is sent is right, whatever is drafted and in force. */
async function draft(name: string, content: object): Promise<Reply<DraftView>> {
  const { body } = await node.get<NamespaceView>(ns(name));
  const seen = body.draft ? { revision: body.draft.revision } : {};
  return node.put<DraftView>(ns(name, '/draft'), { base: body.release, ...seen, content, ...BECAUSE });
}

async function released(name: string, content: object): Promise<number> {
  expect(await draft(name, content)).toMatchObject({ status: 200 });
  const { status, body } = await node.post<ReleaseView>(at('/releases'), { namespaces: [name], ...BECAUSE });
  expect(status).toBe(201);
  return body.release;
}

beforeAll(async () => {
  node = await TestNode.start(KEYS);
});

afterAll(() => node.stop());

beforeEach(() => {
  count += 1;
  env = `env-${count}`;
});

describe('namespaces', () => {
  test('one is made once, changed in part after that, and makes its environment', async () => {
    const schema = { type: 'object', properties: { max: { type: 'integer' } } };
    const first = await node.put<NamespaceView>(ns('orders'), { about: 'orders', schema });
    expect(first).toMatchObject({ status: 201, body: { environment: env, namespace: 'orders', schema, rules: [] } });
    const rules = [{ path: '/min', is: '<', than: '/max', times: 2, message: 'min is less' }];
    expect(await node.put(ns('orders'), { rules })).toMatchObject({
      status: 200,
      body: { about: 'orders', schema, rules },
    });
    expect(await node.put(ns('orders'), { schema: null })).toMatchObject({
      status: 200,
      body: { schema: null, rules },
    });
    const { body } = await node.get<{ environments: ConfigEnvironmentView[] }>('/v1/config');
    const found = body.environments.find(({ environment }) => environment === env);
    expect(found).toEqual({
      environment: env,
      namespaces: 1,
      lastRelease: 0,
      revision: expect.any(Number),
      rollout: null,
    });
    expect(await node.get(at('/namespaces'))).toMatchObject({
      body: { namespaces: [{ namespace: 'orders', release: null, hasDraft: false }] },
    });
  });

  test.each<[string, object]>([
    ['a schema that is none', { schema: { type: 'no such type' } }],
    ['a rule that leads nowhere', { rules: [{ path: '/a', is: '<', than: 'b' }] }],
  ])('%s is refused, and nothing is made', async (_name, body) => {
    const answer = await node.put<Problem>(ns('orders'), body);
    expect([400, 422]).toContain(answer.status);
    expect(answer.body.errors?.length).toBeGreaterThan(0);
    expect(await node.get(ns('orders'))).toMatchObject(refused(404, 'TERCET_CONFIG_UNKNOWN'));
  });

  test('a schema that cannot be compiled has a code of its own', async () => {
    const answer = await node.put(ns('orders'), { schema: { type: 'no such type' } });
    expect(answer).toMatchObject(refused(422, 'TERCET_CONFIG_SCHEMA_INVALID'));
  });

  test.each<[string, string, object, RegExp]>([
    ['an environment', '/v1/config/Prod/namespaces/a', {}, /^environment: must be 1 to 48/],
    ['a namespace', '/v1/config/prod/namespaces/-a', {}, /^namespace: must be 1 to 64/],
    ['an unknown field', '/v1/config/prod/namespaces/a', { scheme: {} }, /^scheme: is not a known field/],
  ])('%s that cannot be: 400, naming it', async (_name, path, body, detail) => {
    const answer = await node.put<Problem>(path, body);
    expect(answer).toMatchObject(refused(400, 'TERCET_REQUEST_INVALID'));
    expect(answer.body.detail).toMatch(detail);
  });

  test('what is not there, and what could not be: 404 by every call', async () => {
    await made('orders');
    const rows: [string, string, object?][] = [
      ['GET', '/v1/config/none/namespaces'],
      ['GET', '/v1/config/none/namespaces/orders'],
      ['GET', ns('none')],
      ['GET', ns('A')],
      ['GET', ns('%00')],
      ['GET', '/v1/config/%00/namespaces'],
      ['PUT', ns('none', '/draft'), { base: null, content: {}, ...BECAUSE }],
      ['DELETE', ns('none', '/draft?reason=r&revision=1')],
      ['POST', ns('none', '/lock')],
      ['POST', '/v1/config/none/releases', BECAUSE],
      ['GET', '/v1/config/none/releases'],
      ['GET', at('/releases/7')],
      ['GET', at('/releases/0')],
      ['GET', at('/releases/9999999999')],
      ['GET', at('/releases/x')],
      ['POST', at('/releases/7/rollback'), BECAUSE],
      ['GET', at('/diff?from=7&to=current')],
      ['GET', at('/rollout')],
      ['POST', '/v1/config/none/rollout/abort', BECAUSE],
      ['GET', '/v1/config/none/values?namespaces=orders&instance=i'],
      ['PUT', '/v1/config/none/nodes/i', { incarnation: 'x', ttlMs: 1000, namespaces: {} }],
      ['GET', '/v1/config/none/nodes'],
      ['GET', '/v1/config/none/audit'],
    ];
    for (const [method, path, body] of rows) {
      const { status, body: told } = await node.send(method, path, body);
      expect([method, path, status, told.code]).toEqual([method, path, 404, 'TERCET_CONFIG_UNKNOWN']);
    }
  });

  test('that of the coordinators is built in: neither its schema nor another one of its environment can be put', async () => {
    const path = '/v1/config/tercet/namespaces';
    expect(await node.put(`${path}/other`, {})).toMatchObject(refused(422, 'TERCET_CONFIG_INVALID'));
    expect(await node.put(`${path}/coordinator`, { schema: {} })).toMatchObject({ status: 422 });
  });
});

test('a secret where the coordinators read a value does not fit', async () => {
  env = 'tercet';
  const { status, body } = await draft('coordinator', { log: { level: { $secret: 'info' } } });
  expect([status, body.problems.length]).toEqual([200, 1]);
  await node.send('DELETE', ns('coordinator', `/draft?reason=r&revision=${body.revision}`));
});

describe('bodies', () => {
  test.each<[string, unknown, number, string]>([
    ['U+0000', '{"base":null,"reason":"r","content":{"a":"\\u0000"}}', 400, 'TERCET_REQUEST_INVALID'],
    ['a number too large', '{"base":null,"reason":"r","content":{"a":1e16}}', 400, 'TERCET_REQUEST_INVALID'],
    [
      '65 levels',
      `{"base":null,"reason":"r","content":{"a":${'['.repeat(64)}${']'.repeat(64)}}}`,
      400,
      'TERCET_REQUEST_INVALID',
    ],
    [
      'more than 256 KiB',
      { base: null, content: { a: 'x'.repeat(256 * 1024) }, ...BECAUSE },
      413,
      'TERCET_REQUEST_TOO_LARGE',
    ],
    [
      'more than 1 MiB',
      { base: null, content: { a: 'x'.repeat(1024 * 1024) }, ...BECAUSE },
      413,
      'TERCET_REQUEST_TOO_LARGE',
    ],
    ['no object', { base: null, content: [], ...BECAUSE }, 400, 'TERCET_REQUEST_INVALID'],
    ['a key that begins with $', { base: null, content: { $other: 1 }, ...BECAUSE }, 422, 'TERCET_CONFIG_INVALID'],
    ['no reason', { base: null, content: {} }, 400, 'TERCET_REQUEST_INVALID'],
    ['a reason without end', { base: null, content: {}, reason: 'r'.repeat(1001) }, 400, 'TERCET_REQUEST_INVALID'],
  ])('a draft with %s is refused, and nothing is written', async (_name, body, status, code) => {
    await made('orders');
    expect(await node.send('PUT', ns('orders', '/draft'), body)).toMatchObject(refused(status, code));
    expect((await node.get<NamespaceView>(ns('orders'))).body.draft).toBeNull();
  });

  test('a key __proto__ is data, and comes back as it was', async () => {
    await made('orders');
    const body = '{"base":null,"reason":"r","content":{"__proto__":{"a":1},"b":2}}';
    expect((await node.send('PUT', ns('orders', '/draft'), body)).status).toBe(200);
    await node.post(at('/releases'), BECAUSE);
    const answer = await fetch(`${node.url}${at('/values?namespaces=orders&instance=i')}`);
    expect(await answer.text()).toContain('"content":{"__proto__":{"a":1},"b":2}');
  });

  test.each<[string, object]>([
    ['gray without saying for whom', { mode: 'gray' }],
    ['gray for nobody in particular', { mode: 'gray', gray: {} }],
    ['a selector without gray', { gray: { percent: 10 } }],
    ['strict words without strict', { strict: { deadlineMs: 1000 } }],
    ['more than all', { mode: 'gray', gray: { percent: 101 } }],
    ['a label that cannot be', { mode: 'gray', gray: { labels: { 'a b': 'c' } } }],
    ['a namespace twice', { namespaces: ['a', 'a'] }],
  ])('a release with %s is 400', async (_name, body) => {
    await made('a');
    expect(await node.post(at('/releases'), { ...BECAUSE, ...body })).toMatchObject(
      refused(400, 'TERCET_REQUEST_INVALID'),
    );
  });
});

describe('two editors', () => {
  test('the second one is told what the first one wrote, and loses nothing of it', async () => {
    await made('orders');
    await released('orders', { limits: { min: 1, max: 5 } });
    const { release: base } = (await node.get<NamespaceView>(ns('orders'))).body;
    const write = (content: object, over: object = {}): Promise<Reply<Problem & DraftView>> =>
      node.put(ns('orders', '/draft'), { base, content, ...BECAUSE, ...over });
    const both = await Promise.all([write({ limits: { min: 1, max: 6 } }), write({ limits: { min: 2, max: 5 } })]);
    const codes = both.map(({ status, body }) => (status === 200 ? '200' : `${status} ${body.code}`)).sort();
    expect(codes[0]).toBe('200');
    expect(['409 TERCET_CONFIG_CONFLICT', '409 TERCET_CONFIG_LOCKED']).toContain(codes[1]);
    const { draft: there } = (await node.get<NamespaceView>(ns('orders'))).body;
    const late = await write({ limits: { min: 0, max: 9 } });
    expect(late).toMatchObject(refused(409, 'TERCET_CONFIG_CONFLICT'));
    expect(late.body.diff?.map(({ path }) => path)).toEqual(['/limits/max', '/limits/min']);
    expect(await write({ limits: { min: 0, max: 9 } }, { revision: there?.revision })).toMatchObject({ status: 200 });
  });

  test('who began from a release that is not in force any more is told what changed since', async () => {
    await made('orders');
    const first = await released('orders', { a: 1 });
    await released('orders', { a: 2 });
    const answer = await node.put<Problem>(ns('orders', '/draft'), {
      base: first,
      content: { a: 1, b: 1 },
      ...BECAUSE,
    });
    expect(answer).toMatchObject(refused(409, 'TERCET_CONFIG_CONFLICT'));
    expect(answer.body.diff).toEqual([{ path: '/a', kind: 'changed', from: 1, to: 2 }]);
  });

  test('the edit lock says who has it; its holder alone writes, and once it was taken away not even he', async () => {
    await made('orders');
    const { status, body: lock } = await node.post<EditLockView>(ns('orders', '/lock'), { ttlMs: 60_000 });
    expect(status).toBe(200);
    expect((await node.get<NamespaceView>(ns('orders'))).body.editor?.name).toBe('operator');
    const other = await node.post<Problem>(ns('orders', '/lock'));
    expect(other).toMatchObject(refused(409, 'TERCET_CONFIG_LOCKED'));
    expect(other.body.detail).toContain('operator');
    const { id, token } = lock;
    const renewed = await node.post<EditLockView>(ns('orders', '/lock/renew'), { id, token, ttlMs: 120_000 });
    expect(Date.parse(renewed.body.until)).toBeGreaterThan(Date.parse(lock.until));
    const write = (held: object): Promise<Reply<unknown>> =>
      node.put(ns('orders', '/draft'), { base: null, content: { a: 1 }, ...BECAUSE, lock: held });
    expect(await write({ id, token })).toMatchObject({ status: 200 });
    await node.post(`/v1/locks/tercet.config.${env}.orders/release`, BECAUSE);
    expect(await write({ id, token })).toMatchObject(refused(409, 'TERCET_CONFIG_LOCK_LOST'));
    const lost = await node.post(ns('orders', '/lock/renew'), { id, token });
    expect(lost).toMatchObject(refused(409, 'TERCET_CONFIG_LOCK_LOST'));
    expect((await node.send('DELETE', ns('orders', `/lock?id=${id}&token=${token}`))).status).toBe(204);
    expect((await node.get<NamespaceView>(ns('orders'))).body.editor).toBeNull();
  });

  test('a draft is dropped by who saw it', async () => {
    await made('orders');
    const { body } = await draft('orders', { a: 1 });
    const drop = (revision: number): Promise<Reply<Problem>> =>
      node.send('DELETE', ns('orders', `/draft?reason=r&revision=${revision}`));
    expect(await drop(body.revision + 1)).toMatchObject(refused(409, 'TERCET_CONFIG_CONFLICT'));
    expect((await drop(body.revision)).status).toBe(204);
    expect((await node.get<NamespaceView>(ns('orders'))).body.draft).toBeNull();
    expect((await node.send('DELETE', ns('orders', '/draft?revision=1'))).status).toBe(400);
  });
});

describe('releases', () => {
  test('two namespaces come into force at once, are looked at, compared, and brought back by a number that rises', async () => {
    await made('a');
    await made('b');
    await draft('a', { x: 1 });
    await draft('b', { y: 1 });
    const dry = await node.post<ReleaseView>(at('/releases'), { ...BECAUSE, dryRun: true });
    expect(dry).toMatchObject({ status: 200, body: { release: 1, namespaces: ['a', 'b'] } });
    expect(await node.get(at('/releases'))).toMatchObject({ body: { releases: [] } });
    const first = await node.post<ReleaseView>(at('/releases'), BECAUSE);
    expect(first).toMatchObject({
      status: 201,
      body: { release: 1, state: 'in force', by: 'operator', reason: 'because' },
    });
    expect(first.headers.get('location')).toBe(at('/releases/1'));
    expect(first.body.changes).toEqual({
      a: [{ path: '/x', kind: 'added', to: 1 }],
      b: [{ path: '/y', kind: 'added', to: 1 }],
    });
    await released('a', { x: 2 });
    const compared = await node.get<ConfigDiffView>(at('/diff?from=1&to=current'));
    expect(compared.body).toEqual({
      from: '1',
      to: 'current',
      namespaces: { a: [{ path: '/x', kind: 'changed', from: 1, to: 2 }] },
    });
    const back = await node.post<ReleaseView>(at('/releases/1/rollback'), BECAUSE);
    expect(back).toMatchObject({ status: 201, body: { release: 3, restores: 1, namespaces: ['a'] } });
    const page = await node.get<{ releases: ReleaseView[]; next: number }>(at('/releases?limit=2'));
    expect(page.body.releases.map(({ release, state }) => [release, state])).toEqual([
      [3, 'in force'],
      [2, 'replaced'],
    ]);
    const rest = await node.get<{ releases: ReleaseView[]; next: null }>(at(`/releases?before=${page.body.next}`));
    expect([rest.body.releases.map(({ release }) => release), rest.body.next]).toEqual([[1], null]);
    const again = await node.post(at('/releases/1/rollback'), BECAUSE);
    expect(again).toMatchObject(refused(409, 'TERCET_CONFIG_CONFLICT'));
    expect(await node.post(at('/releases'), BECAUSE)).toMatchObject(refused(409, 'TERCET_CONFIG_CONFLICT'));
  });

  test('what does not fit its schema or a rule is kept as a draft, and not released', async () => {
    const schema = { type: 'object', properties: { max: { type: 'integer' } }, required: ['max'] };
    await made('orders', { schema, rules: [{ path: '/min', is: '<', than: '/max' }] });
    const { body } = await draft('orders', { min: 9, max: 5 });
    expect(body.problems).toHaveLength(1);
    await draft('orders', { min: 9, max: 'five' });
    const answer = await node.post<Problem>(at('/releases'), BECAUSE);
    expect(answer).toMatchObject(refused(422, 'TERCET_CONFIG_INVALID'));
    expect(answer.body.errors?.[0]?.path).toBe('orders/max');
  });

  test('what somebody edits is not released beneath him', async () => {
    await made('orders');
    await draft('orders', { a: 1 });
    await node.sql(
      `INSERT INTO tercet.lock (name, token, owner, node, since, until)
       VALUES ($1, nextval('tercet.lock_token'), 'o', 'berta editing', now(), now() + interval '1 hour')
       ON CONFLICT (name) DO UPDATE SET token = excluded.token, owner = 'o', node = excluded.node, until = excluded.until`,
      [`tercet.config.${env}.orders`],
    );
    const answer = await node.post<Problem>(at('/releases'), BECAUSE);
    expect(answer).toMatchObject(refused(409, 'TERCET_CONFIG_LOCKED'));
    expect(answer.body.detail).toContain('berta');
  });

  test('a gray one is for some, widened, promoted or aborted; one at a time', async () => {
    await made('orders');
    await released('orders', { a: 1 });
    await draft('orders', { a: 2 });
    const gray = { mode: 'gray', gray: { labels: { zone: 'a' } } };
    const { body } = await node.post<ReleaseView>(at('/releases'), { ...BECAUSE, ...gray });
    expect(body).toMatchObject({ release: 2, state: 'pending', rollout: { mode: 'gray', state: 'running' } });
    const got = async (labels: string): Promise<unknown> =>
      (await node.get<object>(at(`/values?namespaces=orders&instance=i${labels}`))).body;
    expect(await got('&labels=zone=a')).toMatchObject({ namespaces: { orders: { release: 2, content: { a: 2 } } } });
    expect(await got('&labels=zone=b')).toMatchObject({ namespaces: { orders: { release: 1, content: { a: 1 } } } });
    expect(await got('')).toMatchObject({ namespaces: { orders: { release: 1 } } });
    await draft('orders', { a: 3 });
    expect(await node.post(at('/releases'), BECAUSE)).toMatchObject(refused(409, 'TERCET_CONFIG_ROLLOUT_STATE'));
    const widened = await node.post<RolloutView>(at('/rollout/widen'), { labels: {}, ...BECAUSE });
    expect(widened).toMatchObject({ status: 200, body: { selector: { labels: {}, percent: 100 } } });
    expect(await got('')).toMatchObject({ namespaces: { orders: { release: 2 } } });
    expect(await node.post(at('/rollout/abort'), BECAUSE)).toMatchObject({ status: 200, body: { state: 'aborted' } });
    expect(await got('')).toMatchObject({ namespaces: { orders: { release: 1 } } });
    expect(await node.post(at('/rollout/promote'), BECAUSE)).toMatchObject(refused(409, 'TERCET_CONFIG_ROLLOUT_STATE'));
    expect(await node.get(at('/releases/2'))).toMatchObject({ body: { state: 'taken back' } });
    const never = await node.post(at('/releases/2/rollback'), BECAUSE);
    expect(never).toMatchObject(refused(409, 'TERCET_CONFIG_ROLLOUT_STATE'));
  });

  test('only the coordinators switch strictly', async () => {
    await made('orders');
    await draft('orders', { a: 1 });
    const answer = await node.post(at('/releases'), { ...BECAUSE, mode: 'strict' });
    expect(answer).toMatchObject(refused(422, 'TERCET_CONFIG_STRICT_UNSUPPORTED'));
  });

  test('a content that somebody changed in the database is given to nobody', async () => {
    await made('orders');
    const number = await released('orders', { a: 1 });
    await node.sql(`UPDATE tercet.config_content SET content = '{"a":2}' WHERE environment = $1`, [env]);
    const corrupt = refused(500, 'TERCET_CONFIG_CORRUPT');
    expect(await node.get(at('/values?namespaces=orders&instance=i'))).toMatchObject(corrupt);
    expect(await node.get(at(`/releases/${number}`))).toMatchObject(corrupt);
  });
});

describe('what instances say', () => {
  const report = (
    instance: string,
    state: 'applied' | 'rejected',
    release: number,
    reason?: string,
  ): Promise<Reply<unknown>> =>
    node.put(at(`/nodes/${instance}`), {
      incarnation: 'one',
      labels: { zone: 'a' },
      ttlMs: 60_000,
      namespaces: { orders: { release, checksum: checksumOf({}), state, ...(reason === undefined ? {} : { reason }) } },
    });

  test('is shown beside what each should have, and whom a selector would find', async () => {
    await made('orders');
    const release = await released('orders', { a: 1 });
    expect((await report('n1', 'applied', release)).status).toBe(204);
    const { body } = await node.get<{ nodes: ConfigNodeView[] }>(at('/nodes'));
    expect(body.nodes).toMatchObject([
      {
        instance: 'n1',
        isAlive: true,
        namespaces: { orders: { desired: release, applied: release, state: 'applied' } },
      },
    ]);
    expect((await node.get(at('/rollout/preview?labels=zone=a'))).body).toEqual({ matches: ['n1'], of: 1 });
    expect((await node.get(at('/rollout/preview?labels=zone=b&percent=10'))).body).toEqual({ matches: [], of: 1 });
    expect((await node.get(at('/rollout/preview?percent=0'))).status).toBe(400);
  });

  test('a rejection ends the gray release that it is about', async () => {
    await made('orders');
    const before = await released('orders', { a: 1 });
    await report('n1', 'applied', before);
    await draft('orders', { a: 2 });
    await node.post(at('/releases'), { ...BECAUSE, mode: 'gray', gray: { percent: 100 } });
    await report('n1', 'rejected', before + 1, 'a must be odd');
    expect((await node.get<RolloutView>(at('/rollout'))).body).toMatchObject({
      state: 'aborted',
      why: expect.stringContaining('n1 rejects it: a must be odd'),
    });
  });

  test.each<[string, object]>([
    ['a ttl too short', { ttlMs: 999 }],
    ['a checksum that is none', { namespaces: { orders: { release: 1, checksum: 'x', state: 'applied' } } }],
    ['too many labels', { labels: Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`l${index}`, 'v'])) }],
  ])('%s is 400', async (_name, over) => {
    await made('orders');
    const body = { incarnation: 'x', ttlMs: 1000, namespaces: {}, ...over };
    expect(await node.put(at('/nodes/n1'), body)).toMatchObject(refused(400, 'TERCET_REQUEST_INVALID'));
  });
});

test('who changed what and why stands in the audit, page by page, and secrets in no place', async () => {
  await made('orders');
  await released('orders', { password: { $secret: 'hunter2' } });
  await released('orders', { password: { $secret: 'hunter3' } });
  const all = await node.get<{ entries: ConfigAuditView[] }>(at('/audit?limit=500'));
  expect(all.body.entries.map(({ action }) => action)).toEqual(
    expect.arrayContaining(['release', 'draft', 'namespace']),
  );
  expect(all.body.entries.every(({ by }) => by === 'operator')).toBe(true);
  const first = await node.get<{ entries: ConfigAuditView[]; next: number }>(at('/audit?limit=1'));
  const second = await node.get<{ entries: ConfigAuditView[] }>(at(`/audit?limit=1&before=${first.body.next}`));
  expect([...first.body.entries, ...second.body.entries]).toEqual(all.body.entries.slice(0, 2));
  const looks = [
    '/audit',
    '/namespaces/orders',
    '/releases/2',
    '/diff?from=1&to=2',
    '/values?namespaces=orders&instance=i',
  ];
  for (const path of looks) {
    const text = JSON.stringify((await node.get<unknown>(at(path))).body);
    expect(text).not.toContain('hunter');
    expect([path, text.includes(MASK)]).toEqual([path, true]);
  }
  const stored = await node.sql<{ text: string }>(
    `SELECT coalesce(draft, '') || coalesce((SELECT string_agg(content, '') FROM tercet.config_content c WHERE c.environment = n.environment), '') AS text
       FROM tercet.config_namespace n WHERE environment = $1`,
    [env],
  );
  expect(JSON.stringify(stored)).not.toContain('hunter');
});

test('a draft that sends the dots back keeps the secret, and one that has none to keep is refused', async () => {
  await made('orders');
  await released('orders', { password: { $secret: 'hunter2' }, a: 1 });
  await released('orders', { password: { $secret: MASK }, a: 2 });
  const plain = await node.get(at('/values?namespaces=orders&instance=i&secrets=plain'));
  expect(plain).toMatchObject({ body: { namespaces: { orders: { content: { password: 'hunter2', a: 2 } } } } });
  expect((await node.get<ConfigDiffView>(at('/diff?from=1&to=2'))).body.namespaces).toEqual({
    orders: [{ path: '/a', kind: 'changed', from: 1, to: 2 }],
  });
  expect(await draft('orders', { other: { $secret: MASK } })).toMatchObject(refused(422, 'TERCET_CONFIG_INVALID'));
});

test('master keys are rotated, with a reason', async () => {
  await made('orders');
  await released('orders', { password: { $secret: 'hunter2' } });
  const answer = await node.post<{ wrapped: number }>('/v1/config-keys/rotate', BECAUSE);
  expect(answer).toMatchObject({ status: 200, body: { wrapped: expect.any(Number) } });
  expect((await node.post('/v1/config-keys/rotate', {})).status).toBe(400);
});

test('without TERCET_CONFIG_KEYS a secret is refused', async () => {
  const without = await TestNode.start();
  const path = '/v1/config/shop/namespaces/orders';
  await without.put(path, {});
  const body = { base: null, content: { a: { $secret: 's' } }, ...BECAUSE };
  expect(await without.put(`${path}/draft`, body)).toMatchObject(refused(422, 'TERCET_CONFIG_SECRETS_OFF'));
  await without.stop();
});
