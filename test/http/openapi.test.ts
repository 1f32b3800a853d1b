/** /openapi.json is the document of the application that runs: every route, every body, every answer. */
import { checker } from '../support/openapi.js';
import type { OpenApi, Operation } from '../support/openapi.js';
import { begin, TestNode } from './node.js';
import { routesOfApplication } from './routes.js';

let node: TestNode;
let document: OpenApi;

beforeAll(async () => {
  node = await TestNode.start();
  await node.component('account', { retry: { baseMs: 1, capMs: 1, maxAttempts: 1 } });
  document = (await node.get<OpenApi>('/openapi.json')).body;
});

afterAll(() => node.stop());

function operation(method: string, path: string): Operation {
  const found = document.paths[path]?.[method.toLowerCase()];
  if (!found) throw new Error(`${method} ${path} is not in the document`);
  return found;
}

async function matches(method: string, template: string, at: { path?: string; body?: unknown } = {}): Promise<number> {
  const { status, headers, body } = await node.send<unknown>(method, at.path ?? template, at.body);
  const type = headers.get('content-type')?.split(';')[0] ?? '';
  const schema = operation(method, template).responses[String(status)]?.content?.[type]?.schema;
  if (!schema) throw new Error(`${method} ${template} answered ${status} ${type}, which the document does not have`);
  expect(checker(document, schema).safeParse(body).error?.issues ?? []).toEqual([]);
  return status;
}

test('every route of the application is in it, and nothing else', async () => {
  const shown = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method} ${path}`),
  );
  expect(shown.sort()).toEqual(await routesOfApplication());
});

test('it is OpenAPI 3.1, its references lead somewhere, its names are unique, its path parameters declared', () => {
  expect(document.openapi).toMatch(/^3\.1\.\d$/);
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)];
  expect(references.length).toBeGreaterThan(0);
  for (const [, name = ''] of references) expect(Object.keys(document.components.schemas)).toContain(name);
  const operations = Object.values(document.paths).flatMap((operations) => Object.values(operations));
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
  for (const [path, methods] of Object.entries(document.paths)) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    for (const { parameters = [] } of Object.values(methods)) {
      expect(parameters.filter((one) => one.in === 'path').map(({ name }) => name)).toEqual(named);
    }
  }
});

describe('what the server answers is what the document says', () => {
  const TX = '/v1/transactions/{gid}';
  const of = (gid: string, rest = ''): string => `/v1/transactions/${gid}${rest}`;

  test('to a begin, by all its statuses, to a look, a list and a timeline', async () => {
    const body = begin({ gid: 'shown', wait: 'settled', businessKey: 'k' });
    expect(await matches('POST', '/v1/transactions', { body })).toBe(201);
    expect(await matches('POST', '/v1/transactions', { body })).toBe(200);
    expect(await matches('POST', '/v1/transactions', { body: { ...body, wait: 'accepted' } })).toBe(202);
    expect(await matches('POST', '/v1/transactions', { body: { ...body, businessKey: 'other' } })).toBe(409);
    expect(await matches('POST', '/v1/transactions', { body: {} })).toBe(400);
    await matches('GET', TX, { path: of('shown') });
    await matches('GET', '/v1/transactions');
    await matches('GET', `${TX}/timeline`, { path: of('shown', '/timeline') });
    expect(await matches('GET', TX, { path: of('nothing') })).toBe(404);
  });

  test('of one that was refused, and of one that is parked and goes on', async () => {
    node.participant.answer = (response, { call }) =>
      void response.writeHead(call.op === 'try' ? 409 : 500).end('{"reason":"sold out"}');
    expect(await matches('POST', '/v1/transactions', { body: begin({ gid: 'parked', wait: 'settled' }) })).toBe(202);
    const { body } = await node.get(of('parked'));
    expect([body.reason?.kind, body.parked?.op]).toEqual(['refused', 'cancel']);
    await matches('GET', TX, { path: of('parked') });
    await matches('GET', `${TX}/timeline`, { path: of('parked', '/timeline') });
    node.participant.answer = (response) => void response.end();
    expect(await matches('POST', `${TX}/resume`, { path: of('parked', '/resume'), body: { reason: 'repaired' } })).toBe(
      200,
    );
  });

  test('to who drives from outside', async () => {
    const branch = { branchId: 'a', component: 'account' };
    for (const [gid, decision] of [
      ['submitted', 'submit'],
      ['aborted', 'abort'],
    ] as const) {
      await matches('POST', '/v1/transactions', { body: { mode: 'tcc', gid, drive: 'initiator' } });
      const path = of(gid, '/branches');
      expect(await matches('POST', `${TX}/branches`, { path, body: branch })).toBe(201);
      expect(await matches('POST', `${TX}/branches`, { path, body: branch })).toBe(200);
      expect(await matches('POST', `${TX}/${decision}`, { path: of(gid, `/${decision}`) })).toBe(200);
    }
    expect(await matches('POST', `${TX}/submit`, { path: of('aborted', '/submit') })).toBe(409);
  });

  test('of components, and of health', async () => {
    await matches('GET', '/v1/components');
    await matches('GET', '/v1/components/{name}', { path: '/v1/components/account' });
    const put = { path: '/v1/components/new', body: { url: 'http://127.0.0.1:1/', version: '1' } };
    expect(await matches('PUT', '/v1/components/{name}', put)).toBe(201);
    expect(await matches('PUT', '/v1/components/{name}', { ...put, body: { url: 'http://10.0.0.1/' } })).toBe(422);
    await matches('GET', '/v1/diagnosis');
    const instance = { path: '/v1/components/new/instances/a', body: { url: 'http://127.0.0.1:1/' } };
    expect(await matches('PUT', '/v1/components/{name}/instances/{instance}', instance)).toBe(201);
    expect(await matches('PUT', '/v1/components/{name}/instances/{instance}', instance)).toBe(200);
    await matches('GET', '/v1/components');
    await matches('GET', '/health/live');
    await matches('GET', '/health/ready');
  });
});

describe('a body that the document allows is taken, and one that it does not is refused', () => {
  const url = 'http://127.0.0.1:1/';
  const cases: [string, string, unknown][] = [
    ['POST', '/v1/transactions', begin()],
    ['POST', '/v1/transactions', begin({ deadlineMs: 0 })],
    ['POST', '/v1/transactions', begin({ deadlineMs: 2_592_000_000 })],
    ['POST', '/v1/transactions', begin({ deadlineMs: 2_592_000_001 })],
    ['POST', '/v1/transactions', begin({ gid: 'a/b' })],
    ['POST', '/v1/transactions', begin({ gid: '..' })],
    ['POST', '/v1/transactions', begin({ businessKey: null })],
    ['POST', '/v1/transactions', begin({ wait: 'soon' })],
    ['POST', '/v1/transactions', begin({ typo: 1 })],
    ['POST', '/v1/transactions', begin({ branches: [{ branchId: 'a', component: 'account', payload: null }] })],
    ['POST', '/v1/transactions', begin({ branches: [{ branchId: 'a' }] })],
    ['POST', '/v1/transactions', { branches: [] }],
    ['PUT', '/v1/components/{name}', { url }],
    ['PUT', '/v1/components/{name}', { endpoints: { try: url, cancel: url } }],
    ['PUT', '/v1/components/{name}', { endpoints: { commit: url } }],
    ['PUT', '/v1/components/{name}', { url, retry: { jitter: 0, factor: 1.5 } }],
    ['PUT', '/v1/components/{name}', { url, retry: { jitter: 2 } }],
    ['PUT', '/v1/components/{name}', { url, timeoutMs: 1.5 }],
    ['PUT', '/v1/components/{name}', { url, version: '' }],
    ['PUT', '/v1/components/{name}', { url, concurrency: '256' }],
    ['PUT', '/v1/components/{name}/instances/{instance}', { url }],
    ['PUT', '/v1/components/{name}/instances/{instance}', { url, ttlMs: 1000 }],
    ['PUT', '/v1/components/{name}/instances/{instance}', { url, ttlMs: 999 }],
  ];
  test.each(cases)('%s %s %j', async (method, path, body) => {
    const schema = operation(method, path).requestBody?.content['application/json'].schema ?? {};
    const { status } = await node.send(
      method,
      path.replace('{name}', 'account').replace('{instance}', 'checked'),
      body,
    );
    expect(status < 300).toBe(checker(document, schema).safeParse(body).success);
    expect(status < 300 || status === 400).toBe(true);
  });

  test('a body may be left out exactly where the document says so', async () => {
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, { requestBody }] of Object.entries(operations)) {
        if (!requestBody) continue;
        const { status } = await node.send(method.toUpperCase(), path.replace(/\{\w+\}/g, 'left-out'));
        expect([path, status === 400]).toEqual([path, requestBody.required]);
      }
    }
  });
});
