/** Which role may use which route: docs/operations.md, "Keys, roles, TLS". Every route of the application has a row. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { newKey } from '../../src/http/keys.js';
import type { Role } from '../../src/http/keys.js';
import type { EventView, Problem, TimelineView } from '../../src/protocol/words.js';
import { json } from '../participants/service.js';
import { begin, TestNode } from './node.js';
import type { Reply } from './node.js';
import { routesOfApplication } from './routes.js';

const ROLES = [
  'viewer',
  'initiator',
  'component',
  'operator',
  'config-reader',
  'config-editor',
  'config-releaser',
  'admin',
] as const satisfies readonly Role[];
/** What the keys of those roles are for. */
const SCOPES: Partial<Record<Role, string>> = {
  component: 'unused',
  'config-reader': 'shop',
  'config-editor': 'shop',
  'config-releaser': 'shop',
};
const ALL: readonly Role[] = ROLES;
const BEGINS: readonly Role[] = ['initiator', 'admin'];
const OPERATES: readonly Role[] = ['operator', 'admin'];
const OWNS: readonly Role[] = ['component', 'admin'];
const EDITS: readonly Role[] = ['config-editor', 'admin'];
const RELEASES: readonly Role[] = ['config-releaser', 'admin'];
const REASON = { reason: 'because' };
const OF = '/v1/config/{environment}';
const NS = `${OF}/namespaces/{namespace}`;

/** Who may, and a request that would have an effect: `{gid}` is open unless it says `parked`. Null: no key is needed. */
const ROWS: Readonly<Record<string, readonly [readonly Role[] | null, object?, 'parked'?]>> = {
  'get /health/live': [null],
  'get /health/ready': [null],
  'get /openapi.json': [null],
  'get /docs': [null],
  'get /docs/{file}': [null],
  'get /metrics': [ALL],
  'get /v1/diagnosis': [ALL],
  'get /v1/outbox': [ALL],
  'get /v1/outbox/dead': [ALL],
  'post /v1/outbox/dead/{id}/requeue': [OPERATES, REASON],
  'delete /v1/outbox/dead/{id}': [OPERATES],
  'get /v1/locks': [ALL],
  'get /v1/locks/{name}': [ALL],
  'post /v1/locks/{name}/release': [OPERATES, REASON],
  'get /v1/config': [ALL],
  [`get ${OF}/namespaces`]: [ALL],
  [`get ${NS}`]: [ALL],
  [`get ${OF}/releases`]: [ALL],
  [`get ${OF}/releases/{release}`]: [ALL],
  [`get ${OF}/diff`]: [ALL],
  [`get ${OF}/rollout`]: [ALL],
  [`get ${OF}/rollout/preview`]: [ALL],
  [`get ${OF}/values`]: [ALL],
  [`get ${OF}/nodes`]: [ALL],
  [`get ${OF}/audit`]: [ALL],
  [`put ${NS}`]: [EDITS, { about: 'because' }],
  [`put ${NS}/draft`]: [EDITS, { base: null, content: {}, ...REASON }],
  [`delete ${NS}/draft`]: [EDITS],
  [`post ${NS}/lock`]: [EDITS],
  [`post ${NS}/lock/renew`]: [EDITS, { id: 'i', token: 1 }],
  [`delete ${NS}/lock`]: [EDITS],
  [`post ${OF}/releases`]: [RELEASES, REASON],
  [`post ${OF}/releases/{release}/rollback`]: [RELEASES, REASON],
  [`post ${OF}/rollout/promote`]: [RELEASES, REASON],
  [`post ${OF}/rollout/abort`]: [RELEASES, REASON],
  [`post ${OF}/rollout/widen`]: [RELEASES, { percent: 1, ...REASON }],
  [`put ${OF}/nodes/{instance}`]: [['config-reader', 'admin'], { incarnation: 'i', ttlMs: 1000, namespaces: {} }],
  'post /v1/config-keys/rotate': [['admin'], REASON],
  'get /v1/components': [ALL],
  'get /v1/components/{name}': [ALL],
  'get /v1/transactions': [ALL],
  'get /v1/transactions/{gid}': [ALL],
  'get /v1/transactions/{gid}/timeline': [ALL],
  'post /v1/transactions': [BEGINS, begin({ wait: 'settled' })],
  'post /v1/transactions/{gid}/branches': [BEGINS, { branchId: 'new', component: 'account' }],
  'post /v1/transactions/{gid}/submit': [[...BEGINS, 'operator']],
  'post /v1/transactions/{gid}/abort': [[...BEGINS, 'operator'], { reason: 'because' }],
  'post /v1/transactions/{gid}/retry': [OPERATES, REASON, 'parked'],
  'post /v1/transactions/{gid}/park': [OPERATES, REASON],
  'post /v1/transactions/{gid}/resume': [OPERATES, REASON, 'parked'],
  'post /v1/transactions/{gid}/branches/{branchId}/force': [OPERATES, REASON, 'parked'],
  'post /v1/bulk': [OPERATES, { action: 'abort', filter: { status: 'open' }, reason: 'because' }],
  'put /v1/components/{name}': [OWNS, { url: 'http://127.0.0.1:1/' }],
  'put /v1/components/{name}/instances/{instance}': [OWNS, { url: 'http://127.0.0.1:1/' }],
  'delete /v1/components/{name}/instances/{instance}': [OWNS],
  'delete /v1/components/{name}': [['admin']],
};

const keys = Object.fromEntries(
  ROLES.map((role) => [
    role,
    newKey(role === 'operator' ? 'anna' : role, SCOPES[role] === undefined ? role : `${role}=${SCOPES[role]}`),
  ]),
) as Record<Role, ReturnType<typeof newKey>>;
const both = newKey('both', 'initiator+component=unused+component=other');
const stranger = newKey('stranger', 'admin');
const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });
/** What is not let in: nothing, what is no key, a key of nobody. */
const STRANGERS: readonly Record<string, string>[] = [
  {},
  { authorization: 'Bearer' },
  { authorization: `Basic ${keys.admin.key}` },
  { authorization: keys.admin.key },
  { authorization: `Bearer ${keys.admin.key} x` },
  bearer(keys.admin.entry.slice(-64)),
  bearer(stranger.key),
  bearer(keys.admin.key.slice(0, -1)),
  bearer(`${keys.admin.key.slice(0, -1)}${keys.admin.key.endsWith('A') ? 'B' : 'A'}`),
];

const routes = await routesOfApplication();
let node: TestNode;

const asAdmin = <T = Problem>(method: string, path: string, body?: object): Promise<Reply<T>> =>
  node.send<T>(method, path, body, bearer(keys.admin.key));

beforeAll(async () => {
  const entries = [...Object.values(keys), both].map(({ entry }) => entry);
  const configKeys = `k1:${randomBytes(32).toString('base64')}`;
  node = await TestNode.start({ TERCET_KEYS: entries.join(' '), TERCET_NODE: 'n', TERCET_CONFIG_KEYS: configKeys });
  await asAdmin('PUT', '/v1/components/account', { url: node.participant.url, retry: { maxAttempts: 1 } });
  await asAdmin('PUT', '/v1/components/unused', { url: node.participant.url });
  await asAdmin('POST', '/v1/transactions', { mode: 'tcc', gid: 'open', drive: 'initiator', deadlineMs: 3_600_000 });
  node.participant.answer = (response, asked) => json({}, asked.call.op === 'try' ? 200 : 500)(response, asked);
  const { status } = await asAdmin('POST', '/v1/transactions', begin({ gid: 'parked', wait: 'settled' }));
  if (status !== 202) throw new Error(`nothing was parked: ${status}`);
});

afterAll(() => node.stop());

function ask(route: string, headers: Record<string, string>, role?: Role): Promise<Reply<Problem>> {
  const [method = '', template = ''] = route.split(' ');
  const [, given, gid = 'open'] = ROWS[route] ?? [];
  const isDecision = role === 'operator' && /\/(abort|submit)$/.test(route);
  const body = isDecision ? { ...REASON, by: 'operator' } : given;
  const ofConfig = { environment: 'shop', namespace: 'orders', release: '1' };
  const values = { gid, branchId: 'a', name: 'unused', instance: 'i-1', file: 'none', id: '1', ...ofConfig };
  const path = template.replace(/\{(\w+)\}/g, (_all, name: string) => values[name as keyof typeof values]);
  return node.send(method.toUpperCase(), path, body, headers);
}

/** The codes of the answers; none of the requests may have changed anything, or told anything. */
async function refusals(answers: () => Promise<Reply<Problem>[]>): Promise<string[]> {
  const before = await node.recorded();
  const calls = node.participant.asked.length;
  const told = await answers();
  expect(await node.recorded()).toEqual(before);
  expect(node.participant.asked).toHaveLength(calls);
  for (const { status, headers, body } of told) {
    expect(Object.keys(body).sort()).toEqual(['code', 'detail', 'status', 'title', 'type']);
    expect(headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null);
    expect(JSON.stringify(body)).not.toMatch(/tercet_[A-Za-z0-9]|[0-9a-f]{64}/);
  }
  return [...new Set(told.map(({ status, body }) => `${status} ${body.code}`))];
}

const isFree = (route: string): boolean => ROWS[route]?.[0] === null;
const mayNot = (route: string): Role[] => ROLES.filter((role) => ROWS[route]?.[0]?.includes(role) === false);

test('every route of the application has a row in this table', () => {
  expect(routes.filter((route) => !(route in ROWS))).toEqual([]);
});

describe.each(routes.filter((route) => !isFree(route)))('%s', (route) => {
  test('is 401 without a key, with half of one and with an unknown one, and changes nothing', async () => {
    const asked = (): Promise<Reply<Problem>[]> => Promise.all(STRANGERS.map((headers) => ask(route, headers)));
    expect(await refusals(asked)).toEqual(['401 TERCET_KEY_INVALID']);
  });

  const others = mayNot(route);
  if (others.length === 0) return;
  test(`is 403 for ${others.join(', ')}, and changes nothing`, async () => {
    const asked = (): Promise<Reply<Problem>[]> =>
      Promise.all(others.map((role) => ask(route, bearer(keys[role].key))));
    expect(await refusals(asked)).toEqual(['403 TERCET_ROLE_FORBIDDEN']);
  });
});

test('a refusal says which role is needed, and which the key has', async () => {
  const { body } = await ask('post /v1/transactions/{gid}/resume', bearer(both.key));
  expect(body.detail).toBe(
    "POST /v1/transactions/{gid}/resume needs the role operator or admin; the key 'both' has initiator, component",
  );
});

test('a key of one component may not touch another one, be it there or not', async () => {
  const url = 'http://127.0.0.1:1/';
  const elsewhere = ['account', 'none', 'UNUSED', 'unused%2f', '..%2funused'];
  const asked = (): Promise<Reply<Problem>[]> =>
    Promise.all(
      elsewhere.map((name) => node.send('PUT', `/v1/components/${name}`, { url }, bearer(keys.component.key))),
    );
  expect(await refusals(asked)).toEqual(['403 TERCET_ROLE_FORBIDDEN']);
});

test('a key of one environment may not touch another one, be it there or not', async () => {
  const put = (environment: string, role: Role): Promise<Reply<Problem>> =>
    node.send('PUT', `/v1/config/${environment}/namespaces/new`, { about: 'x' }, bearer(keys[role].key));
  const elsewhere = ['tercet', 'none', 'SHOP', 'shop%2f', 'shop%00'];
  expect(await refusals(() => Promise.all(elsewhere.map((name) => put(name, 'config-editor'))))).toEqual([
    '403 TERCET_ROLE_FORBIDDEN',
  ]);
  const { body } = await put('tercet', 'config-editor');
  expect(body.detail).toBe(
    "the key 'config-editor' is not for the environment 'tercet'; it needs config-editor=ENV with that name",
  );
  // Those that read it and release it do not edit it.
  expect(await refusals(() => Promise.all([put('shop', 'config-reader'), put('shop', 'config-releaser')]))).toEqual([
    '403 TERCET_ROLE_FORBIDDEN',
  ]);
});

test('who edits and does not read secrets is not told by a schema what they are', async () => {
  const send = (role: Role, path: string, body: object): Promise<Reply<Problem>> =>
    node.send('PUT', `/v1/config/shop/namespaces/secret${path}`, body, bearer(keys[role].key));
  await send('config-editor', '', {});
  const content = { p: { $secret: 'hunter2' } };
  const draft = { base: null, content, ...REASON };
  expect((await send('config-editor', '/draft', draft)).status).toBe(200);
  const schema = { properties: { p: { pattern: '^h' } } };
  expect((await send('config-editor', '', { schema })).body.code).toBe('TERCET_CONFIG_SECRET_FORBIDDEN');
  expect((await send('admin', '', { schema })).status).toBe(200);
});

test('a path of nothing is 401 to strangers, and 404 to who has any key', async () => {
  const paths = ['/', '/v1', '/v1/transactions/a/b/c', '/v2/transactions', '/health', '/docs-of-nothing'];
  for (const path of paths) {
    expect((await node.send('GET', path)).body.code).toBe('TERCET_KEY_INVALID');
    expect((await node.send('GET', path, undefined, bearer(keys.viewer.key))).body.code).toBe('TERCET_ROUTE_UNKNOWN');
  }
});

test('HEAD needs what GET needs', async () => {
  const path = '/v1/transactions/open';
  expect((await node.send('HEAD', path)).status).toBe(401);
  expect((await node.send('HEAD', path, undefined, bearer(keys.viewer.key))).status).toBe(200);
});

test('a stranger is answered before the body of the request is there, whatever else is wrong with it', async () => {
  const socket = connect(Number(new URL(node.url).port), '127.0.0.1');
  const head = ['POST /v1/transactions?x=%ff HTTP/1.1', 'host: x', 'content-type: text/x', 'content-length: 9999999'];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 401 /);
});

test('nobody decides as what he is not', async () => {
  const decide = (what: string, role: Role, body?: object): Promise<Reply<Problem>> =>
    node.send('POST', `/v1/transactions/open/${what}`, body, bearer(keys[role].key));
  const asked = (): Promise<Reply<Problem>[]> =>
    Promise.all([
      ...['abort', 'submit'].flatMap((what) => [
        decide(what, 'initiator', { ...REASON, by: 'operator' }),
        decide(what, 'operator', {}),
        decide(what, 'viewer', { ...REASON, by: 'operator' }),
      ]),
      decide('abort', 'operator', { ...REASON, by: 'initiator' }),
    ]);
  expect(await refusals(asked)).toEqual(['403 TERCET_ROLE_FORBIDDEN']);
});

describe('what the roles may', () => {
  test.each(routes)('%s', async (route) => {
    if (isFree(route)) {
      for (const headers of STRANGERS) expect([401, 403]).not.toContain((await ask(route, headers)).status);
    }
    for (const role of ROWS[route]?.[0] ?? []) {
      expect([401, 403, 500]).not.toContain((await ask(route, bearer(keys[role].key), role)).status);
    }
  });

  test('the roles of a key add up', async () => {
    expect((await node.send('POST', '/v1/transactions', begin(), bearer(both.key))).status).toBeLessThan(300);
    const url = node.participant.url;
    for (const name of ['unused', 'other']) {
      expect((await node.send('PUT', `/v1/components/${name}`, { url }, bearer(both.key))).status).toBeLessThan(300);
    }
  });

  test('the scheme may be written in any case', async () => {
    const headers = { authorization: `bEARER  ${keys.viewer.key}` };
    expect((await node.send('GET', '/v1/components', undefined, headers)).status).toBe(200);
  });
});

test('who ordered something stands in the timeline by the name of the key', async () => {
  node.participant.answer = (response, asked) => json({}, asked.call.op === 'try' ? 200 : 500)(response, asked);
  await asAdmin('PUT', '/v1/components/account', { url: node.participant.url, retry: { maxAttempts: 1 } });
  await asAdmin('POST', '/v1/transactions', begin({ gid: 'ordered', wait: 'settled' }));
  await asAdmin('POST', '/v1/transactions', { mode: 'tcc', gid: 'one', drive: 'initiator' });
  await asAdmin('POST', '/v1/transactions', { mode: 'tcc', gid: 'many', drive: 'initiator', businessKey: 'many' });
  const asAnna = async (path: string, body: object): Promise<void> => {
    const answer = await node.send('POST', path, { reason: 'mended', ...body }, bearer(keys.operator.key));
    expect(answer).toMatchObject({ status: 200 });
  };
  const told = async (gid: string): Promise<(string | undefined)[]> => {
    const { body } = await asAdmin<TimelineView>('GET', `/v1/transactions/${gid}/timeline`);
    return body.events.filter(({ kind }: EventView) => kind === 'operator').map(({ detail }) => detail);
  };
  const orders = ['resume', 'retry', 'park', 'branches/a/force'];
  for (const order of orders) {
    await asAnna(`/v1/transactions/ordered/${order}`, {});
    // A resume and a retry end parked, once more.
    await asAdmin('GET', '/v1/transactions/ordered?wait=settled');
  }
  expect(await told('ordered')).toEqual(orders.map((order) => `${order.replace(/.*\//, '')} by anna: mended`));
  await asAnna('/v1/transactions/one/abort', { by: 'operator' });
  expect(await told('one')).toEqual(['abort by anna: mended']);
  await asAnna('/v1/bulk', { action: 'abort', filter: { businessKey: 'many' } });
  expect(await told('many')).toEqual(['abort by anna: mended']);
});
