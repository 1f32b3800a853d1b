/** Every kind of bad input gets its coded answer, which names the field, and changes nothing: docs/wire.md 2 to 6. */
import { request } from 'node:http';
import { connect } from 'node:net';
import { openApi } from '../../src/http/openapi.js';
import type { ErrorCode } from '../../src/protocol/errors.js';
import { begin, TestNode } from './node.js';

let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start();
  await node.component('account');
  await node.put('/v1/components/half', { endpoints: { try: `${node.participant.url}/try` } });
  await node.post('/v1/transactions', begin({ gid: 'ended', wait: 'settled' }));
  await node.post('/v1/transactions', { mode: 'tcc', gid: 'open', drive: 'initiator', deadlineMs: 3_600_000 });
  await node.post('/v1/transactions/open/branches', { branchId: 'a', component: 'account', payload: 1 });
  for (const [gid, decision] of Object.entries({ submitted: 'submit', aborted: 'abort' })) {
    await node.post('/v1/transactions', { mode: 'tcc', gid, drive: 'initiator' });
    await node.post(`/v1/transactions/${gid}/${decision}`, { wait: 'settled' });
  }
});

afterAll(() => node.stop());

interface Expected {
  readonly status: number;
  readonly code: ErrorCode;
  /** Field that `errors` names; absent: the request as a whole is wrong. */
  readonly path?: string;
}

async function refused(
  [method, path, body, headers]: [string, string, unknown?, Record<string, string>?],
  { status, code, path: field }: Expected,
): Promise<void> {
  const before = await node.recorded();
  const answer = await node.send(method, path, body, headers);
  expect(answer.body).toMatchObject({ type: `urn:tercet:${code}`, status, code });
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(answer.body.title).not.toBe('');
  expect(answer.body.detail).not.toBe('');
  if (field === undefined) expect(answer.body.errors ?? []).toEqual([]);
  else expect(answer.body.errors?.map((error) => error.path)).toContain(field);
  expect(await node.recorded()).toEqual(before);
  expect(shown(method, path, status) ?? code).toContain(code);
}

/** What /openapi.json says of such an answer; null: it knows no such call. */
function shown(method: string, path: string, status: number): string | null {
  const { paths } = openApi() as { paths: Record<string, Record<string, { responses: Record<string, unknown> }>> };
  const names = path.split('?')[0]?.split('/') ?? [];
  const template = Object.keys(paths).find((known) => {
    const parts = known.split('/');
    return parts.length === names.length && parts.every((part, at) => part.startsWith('{') || part === names[at]);
  });
  const operation = paths[template ?? '']?.[method.toLowerCase()];
  return operation ? JSON.stringify(operation.responses[status] ?? 'no such answer') : null;
}

const INVALID = { status: 400, code: 'TERCET_REQUEST_INVALID' } as const;
const MALFORMED = { status: 400, code: 'TERCET_REQUEST_MALFORMED' } as const;
const POST = '/v1/transactions';
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
const withPayload = (json: string): string =>
  `{"mode":"tcc","branches":[{"branchId":"a","component":"account","payload":${json}}]}`;
const branches = (...ids: unknown[]): object[] => ids.map((branchId) => ({ branchId, component: 'account' }));

describe('bytes that are not a request', () => {
  test.each<[string, unknown]>([
    ['no JSON', '{"mode":'],
    ['two values', '{} {}'],
    ['bytes that are not UTF-8', Buffer.from('7b226d6f6465223a22ff227d', 'hex')],
    ['a half surrogate as bytes', Buffer.from('22eda08022', 'hex')],
    ['a byte order mark', Buffer.from('efbbbf7b7d', 'hex')],
    ['NaN', '{"mode": NaN}'],
  ])('%s', (_name, body) => refused(['POST', POST, body], MALFORMED));

  test.each<[string, string]>([
    ['U+0000 in a payload', withPayload('"a\\u0000b"')],
    ['U+0000 in a key', withPayload('{"\\u0000":1}')],
    ['an integer beyond 2^53-1', withPayload('9007199254740993')],
    ['an integer below -(2^53-1)', withPayload('{"a":[-9007199254740992]}')],
    ['an integer that long in another spelling', withPayload('1e16')],
    ['a number that is no finite one', withPayload('1e999')],
    ['more than 64 levels', withPayload(nested(62))],
  ])('%s', (_name, body) => refused(['POST', POST, body], INVALID));

  test.each([
    ['text/plain', '{}'],
    ['application/x-www-form-urlencoded', 'mode=tcc'],
    ['application/xml', '<mode/>'],
    ['', '{}'],
  ])('content type %s', (type, body) =>
    refused(['POST', POST, body, { 'content-type': type }], { status: 415, code: 'TERCET_REQUEST_NOT_JSON' }),
  );

  test('a body of a DELETE, which needs none', () =>
    refused(['DELETE', '/v1/components/half', 'x', { 'content-type': 'text/plain' }], {
      status: 415,
      code: 'TERCET_REQUEST_NOT_JSON',
    }));

  test('a body over 1 MiB', () =>
    refused(['POST', POST, withPayload(`"${'x'.repeat(1024 * 1024)}"`)], {
      status: 413,
      code: 'TERCET_REQUEST_TOO_LARGE',
    }));

  test.each([
    ['letters', 'x'.repeat(256 * 1024)],
    ['letters of two bytes', 'ä'.repeat(128 * 1024)],
  ])('a payload over 256 KiB of %s', (_name, payload) =>
    refused(['POST', POST, begin({ branches: [...branches('a'), { ...branches('b')[0], payload }] })], {
      status: 413,
      code: 'TERCET_REQUEST_TOO_LARGE',
      path: 'branches[1].payload',
    }),
  );

  test('a payload over 256 KiB of a branch that is registered later', () =>
    refused(['POST', '/v1/transactions/open/branches', { ...branches('b')[0], payload: 'x'.repeat(256 * 1024) }], {
      status: 413,
      code: 'TERCET_REQUEST_TOO_LARGE',
      path: 'payload',
    }));
});

describe('bytes that are no HTTP', () => {
  test.each<[string, string, RegExp]>([
    ['nonsense', 'hello, who is there?\r\n\r\n', /not HTTP/],
    ['a header without a colon', 'GET /health/live HTTP/1.1\r\nhost\r\n\r\n', /not HTTP/],
    ['two lengths', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n', /not HTTP/],
    ['headers over 16 KiB', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, /longer than 16384/],
  ])('%s: 400, in the same form as any other', async (_name, bytes, why) => {
    const { hostname, port } = new URL(node.url);
    const socket = connect(Number(port), hostname);
    socket.end(bytes);
    let answer = '';
    for await (const chunk of socket as AsyncIterable<Buffer>) answer += chunk.toString();
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 400 [\s\S]*content-type: application\/problem\+json/);
    expect(JSON.parse(body)).toMatchObject({ ...MALFORMED, detail: expect.stringMatching(why) });
  });
});

test('an Expect that nobody can meet is passed over', async () => {
  const status = await new Promise((resolve, reject) => {
    const headers = { expect: 'a miracle' };
    request(`${node.url}/v1/components/account`, { headers }, (answer) => resolve(answer.resume().statusCode))
      .on('error', reject)
      .end();
  });
  expect(status).toBe(200);
});

describe('begin', () => {
  const cases: [string, unknown, string][] = [
    ['no body', undefined, 'mode'],
    ['no mode', { branches: branches('a') }, 'mode'],
    ['a mode that is none', begin({ mode: 'xa' }), 'mode'],
    ['no object', [], ''],
    ['null', 'null', ''],
    ['a field that is unknown', begin({ businesskey: 'x' }), 'businesskey'],
    ['an unknown field that JavaScript treats apart', '{"mode":"tcc","branches":[],"__proto__":{}}', '__proto__'],
    ['an unknown field of a branch', begin({ branches: [{ ...branches('a')[0], after: [] }] }), 'branches[0].after'],
    ['a gid of the wrong type', begin({ gid: 17 }), 'gid'],
    ['a gid that is null', begin({ gid: null }), 'gid'],
    ['an empty gid', begin({ gid: '' }), 'gid'],
    ['a gid of 129 characters', begin({ gid: 'x'.repeat(129) }), 'gid'],
    ['a gid with a slash', begin({ gid: 'a/b' }), 'gid'],
    ['a gid with a letter beyond A to Z', begin({ gid: 'bücher' }), 'gid'],
    ['a gid with a line end', begin({ gid: 'a\n' }), 'gid'],
    ['the gid .', begin({ gid: '.' }), 'gid'],
    ['the gid ..', begin({ gid: '..' }), 'gid'],
    ['a branchId that is none', begin({ branches: branches('a b') }), 'branches[0].branchId'],
    ['no branchId', begin({ branches: [{ component: 'account' }] }), 'branches[0].branchId'],
    ['no component', begin({ branches: [{ branchId: 'a' }] }), 'branches[0].component'],
    [
      'a component that cannot be one',
      begin({ branches: [{ branchId: 'a', component: '..' }] }),
      'branches[0].component',
    ],
    ['a branchId twice', begin({ branches: branches('a', 'b', 'a') }), 'branches[2].branchId'],
    [
      'a branchId twice, driven by the initiator',
      begin({ drive: 'initiator', branches: branches('a', 'a') }),
      'branches[1].branchId',
    ],
    ['no branches', { mode: 'tcc' }, 'branches'],
    ['an empty list of branches', begin({ branches: [] }), 'branches'],
    ['1001 branches', begin({ branches: branches(...Array.from({ length: 1001 }, (_, at) => `b${at}`)) }), 'branches'],
    ['branches that are no list', begin({ branches: { a: 1 } }), 'branches'],
    ['a branch that is no object', begin({ branches: ['a'] }), 'branches[0]'],
    ['an empty businessKey', begin({ businessKey: '' }), 'businessKey'],
    ['a businessKey of 257 characters', begin({ businessKey: 'x'.repeat(257) }), 'businessKey'],
    ['half a surrogate pair', '{"mode":"tcc","businessKey":"\\ud800","drive":"initiator"}', 'businessKey'],
    ['a deadline of 0', begin({ deadlineMs: 0 }), 'deadlineMs'],
    ['a deadline that is no whole number', begin({ deadlineMs: 1.5 }), 'deadlineMs'],
    ['a deadline as text', begin({ deadlineMs: '30000' }), 'deadlineMs'],
    ['a deadline of more than 30 days', begin({ deadlineMs: 30 * 86_400_000 + 1 }), 'deadlineMs'],
    ['a drive that is none', begin({ drive: 'me' }), 'drive'],
    ['a wait that is none', begin({ wait: 'ended' }), 'wait'],
    ['waitMs over 60000', begin({ waitMs: 60_001 }), 'waitMs'],
    ['waitMs below 0', begin({ waitMs: -1 }), 'waitMs'],
  ];
  test.each(cases)('%s', (_name, body, path) => refused(['POST', POST, body], { ...INVALID, path }));

  test('every field that is wrong is named, up to twenty', async () => {
    const { body } = await node.send('POST', POST, { mode: 'tcc', gid: '', wait: 'x', branches: branches('', 'b') });
    expect(body.errors?.map(({ path }) => path).sort()).toEqual(['branches[0].branchId', 'gid', 'wait']);
    const many = await node.send('POST', POST, begin({ branches: branches(...Array<string>(30).fill('')) }));
    expect(many.body.errors).toHaveLength(20);
  });

  test('an unknown query parameter', () =>
    refused(['POST', `${POST}?wait=settled`, begin()], { ...INVALID, path: 'wait' }));

  test.each([
    ['differs from the gid', begin({ gid: 'one' }), 'two'],
    ['cannot be a gid', begin(), 'a b'],
    ['is empty', begin(), ''],
  ])('an Idempotency-Key that %s', (_name, body, key) =>
    refused(['POST', POST, body, { 'idempotency-key': key }], { ...INVALID, path: 'Idempotency-Key' }),
  );

  test('a component that is not registered', () =>
    refused(['POST', POST, begin({ branches: [...branches('a'), { branchId: 'b', component: 'nobody' }] })], {
      status: 422,
      code: 'TERCET_COMPONENT_NOT_REGISTERED',
      path: 'branches[1].component',
    }));

  test('a component that lacks an operation', () =>
    refused(['POST', POST, begin({ branches: [{ branchId: 'a', component: 'half' }] })], {
      status: 422,
      code: 'TERCET_COMPONENT_LACKS_OPERATION',
      path: 'branches[0].component',
    }));

  test('a message to a topic, without Kafka', () => {
    const deliveries = [{ branchId: 'mail', topic: 'order-paid' }];
    const body = { mode: 'message', check: { component: 'account' }, deliveries };
    return refused(['POST', POST, body], { status: 422, code: 'TERCET_KAFKA_OFF', path: 'deliveries[0].topic' });
  });

  test('a gid with other content', () =>
    refused(['POST', POST, begin({ gid: 'ended', businessKey: 'other' })], {
      status: 409,
      code: 'TERCET_GID_CONFLICT',
    }));
});

describe('driving from outside', () => {
  const at = (gid: string, action: string): string => `/v1/transactions/${gid}/${action}`;

  test.each<[string, unknown, string]>([
    ['no branchId', { component: 'account' }, 'branchId'],
    ['a branchId that is none', { branchId: '', component: 'account' }, 'branchId'],
    ['no component', { branchId: 'b' }, 'component'],
    ['an unknown field', { branchId: 'b', component: 'account', state: 'done' }, 'state'],
    ['no body', undefined, 'branchId'],
  ])('a branch with %s', (_name, body, path) => refused(['POST', at('open', 'branches'), body], { ...INVALID, path }));

  test.each<[string, string, object, Expected]>([
    [
      'of a component that is not registered',
      'open',
      { component: 'nobody' },
      { status: 422, code: 'TERCET_COMPONENT_NOT_REGISTERED', path: 'component' },
    ],
    [
      'of a component that lacks an operation',
      'open',
      { component: 'half' },
      { status: 422, code: 'TERCET_COMPONENT_LACKS_OPERATION', path: 'component' },
    ],
    [
      'with a known branchId and another payload',
      'open',
      { branchId: 'a', payload: 2 },
      { status: 409, code: 'TERCET_BRANCH_CONFLICT' },
    ],
    ['of a transaction that is submitted', 'submitted', {}, { status: 409, code: 'TERCET_TRANSACTION_DECIDED' }],
    ['of a transaction that is aborted', 'aborted', {}, { status: 409, code: 'TERCET_TRANSACTION_DECIDED' }],
    ['of a transaction that the coordinator drives', 'ended', {}, { status: 409, code: 'TERCET_TRANSACTION_DECIDED' }],
    ['of a transaction that does not exist', 'nothing', {}, { status: 404, code: 'TERCET_TRANSACTION_UNKNOWN' }],
  ])('a branch %s', (_name, gid, over, expected) =>
    refused(['POST', at(gid, 'branches'), { branchId: 'b', component: 'account', ...over }], expected),
  );

  test.each<[string, string, unknown, string]>([
    ['submit', 'with an unknown field', { reason: 'x' }, 'reason'],
    ['submit', 'with a wait that is none', { wait: 'x' }, 'wait'],
    ['submit', 'with a waitMs over the limit', { waitMs: 60_001 }, 'waitMs'],
    ['abort', 'with an empty reason', { reason: '' }, 'reason'],
    ['abort', 'with a reason of 1001 characters', { reason: 'x'.repeat(1001) }, 'reason'],
    ['abort', 'with an unknown field', { why: 'x' }, 'why'],
    ['resume', 'without a reason', {}, 'reason'],
    ['resume', 'without a body', undefined, 'reason'],
  ])('%s %s', (action, _name, body, path) => refused(['POST', at('open', action), body], { ...INVALID, path }));

  test.each(['branches', 'submit', 'abort', 'resume'])('%s with an unknown query parameter', (action) =>
    refused(['POST', `${at('open', action)}?force=true`, { reason: 'x' }], { ...INVALID, path: 'force' }),
  );

  test.each<[string, string, Expected]>([
    ['submit', 'aborted', { status: 409, code: 'TERCET_TRANSACTION_DECIDED' }],
    ['abort', 'submitted', { status: 409, code: 'TERCET_TRANSACTION_DECIDED' }],
    ['abort', 'ended', { status: 409, code: 'TERCET_TRANSACTION_DECIDED' }],
    ['resume', 'ended', { status: 409, code: 'TERCET_TRANSACTION_STATE' }],
    ['resume', 'aborted', { status: 409, code: 'TERCET_TRANSACTION_STATE' }],
    ['submit', 'nothing', { status: 404, code: 'TERCET_TRANSACTION_UNKNOWN' }],
    ['abort', 'nothing', { status: 404, code: 'TERCET_TRANSACTION_UNKNOWN' }],
    ['resume', 'nothing', { status: 404, code: 'TERCET_TRANSACTION_UNKNOWN' }],
    ['submit', 'not%20a%20gid', { status: 404, code: 'TERCET_TRANSACTION_UNKNOWN' }],
    ['submit', '%00', { status: 404, code: 'TERCET_TRANSACTION_UNKNOWN' }],
  ])('%s of %s', (action, gid, expected) =>
    refused(['POST', at(gid, action), action === 'resume' ? { reason: 'x' } : {}], expected),
  );
});

describe('looking', () => {
  test.each([
    ['status=done', 'status'],
    ['mode=xa', 'mode'],
    ['component=a%20b', 'component'],
    ['businessKey=', 'businessKey'],
    ['businessKey=%00', 'businessKey'],
    ['parked=yes', 'parked'],
    ['from=yesterday', 'from'],
    ['from=2026-02-30T00:00:00Z', 'from'],
    ['to=2026-01-01', 'to'],
    ['limit=0', 'limit'],
    ['limit=501', 'limit'],
    ['limit=1.5', 'limit'],
    ['limit=', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['after=nonsense', 'after'],
    ['gid=open', 'gid'],
    ['__proto__=1', '__proto__'],
  ])('a list with %s', (query, path) => refused(['GET', `/v1/transactions?${query}`], { ...INVALID, path }));

  test.each([
    ['wait=forever', 'wait'],
    ['waitMs=x', 'waitMs'],
    ['waitMs=60001', 'waitMs'],
    ['waitms=1', 'waitms'],
  ])('one transaction with %s', (query, path) =>
    refused(['GET', `/v1/transactions/open?${query}`], { ...INVALID, path }),
  );

  test('a timeline with a parameter', () =>
    refused(['GET', '/v1/transactions/open/timeline?limit=1'], { ...INVALID, path: 'limit' }));

  test.each([
    ['a gid that is not recorded', 'nothing'],
    ['its timeline', 'nothing/timeline'],
    ['a gid with a space', 'a%20b'],
    ['a gid of U+0000', '%00'],
    ['a gid that climbs', '..%2fopen'],
    ['a gid of 129 characters', 'x'.repeat(129)],
    ['a gid of 10000 characters', 'x'.repeat(10_000)],
  ])('GET of %s', (_name, path) =>
    refused(['GET', `/v1/transactions/${path}`], { status: 404, code: 'TERCET_TRANSACTION_UNKNOWN' }),
  );

  test.each([
    ['GET', '/'],
    ['GET', '/v2/transactions'],
    ['GET', '/v1/transactions/open/branches'],
    ['POST', '/v1/transactions/open/explode'],
    ['DELETE', '/v1/transactions/open'],
    ['PATCH', '/v1/components/account'],
    ['GET', '/docs/nothing'],
  ])('nothing is at %s %s', (method, path) => refused([method, path], { status: 404, code: 'TERCET_ROUTE_UNKNOWN' }));

  test.each(['/%zz', '/%ff', '?businessKey=%zz', '?businessKey=%ff', '/open?wait=%e2%82'])(
    'what is no percent-encoding of UTF-8: %s',
    (rest) => refused(['GET', `/v1/transactions${rest}`], MALFORMED),
  );

  test.each(['/health/live', '/health/ready', '/metrics', '/openapi.json'])('nor at %s', (path) =>
    refused(['GET', `${path}?%ff`], MALFORMED),
  );
});

describe('components', () => {
  const put = (body: unknown, name = 'new'): [string, string, unknown] => ['PUT', `/v1/components/${name}`, body];
  const url = 'http://127.0.0.1:1/';

  test.each<[string, unknown, string]>([
    ['no body', undefined, 'url'],
    ['neither url nor endpoints', { timeoutMs: 1 }, 'url'],
    ['empty endpoints', { endpoints: {} }, 'url'],
    ['a url that is none', { url: 'account' }, 'url'],
    ['a url of another protocol', { url: 'ftp://127.0.0.1/' }, 'url'],
    ['a url with a space before it', { url: ' http://127.0.0.1/' }, 'url'],
    ['a url with a line end', { url: 'http://127.0.0.1/\n' }, 'url'],
    ['a url with half a surrogate pair', '{"url":"http://127.0.0.1/\\ud800"}', 'url'],
    ['a url without its slashes', { url: 'http:127.0.0.1/' }, 'url'],
    ['a url with a user', { url: 'http://a@127.0.0.1/' }, 'url'],
    ['a url with a password', { url: 'http://a:b@127.0.0.1/' }, 'url'],
    ['a url with a fragment', { url: 'http://127.0.0.1/#a' }, 'url'],
    ['a url with a query', { url: 'http://127.0.0.1/?a=1' }, 'url'],
    ['a url of more than 2000 characters', { url: url + 'x'.repeat(2000) }, 'url'],
    ['an endpoint that is no URL', { endpoints: { try: 'x' } }, 'endpoints.try'],
    ['an endpoint of no operation', { endpoints: { commit: url } }, 'endpoints.commit'],
    ['timeoutMs 0', { url, timeoutMs: 0 }, 'timeoutMs'],
    ['timeoutMs over ten minutes', { url, timeoutMs: 600_001 }, 'timeoutMs'],
    ['concurrency 0', { url, concurrency: 0 }, 'concurrency'],
    ['an unknown field', { url, timeout: 1 }, 'timeout'],
    ['its own name in the body', { url, name: 'new' }, 'name'],
    ['retry.factor below 1', { url, retry: { factor: 0.5 } }, 'retry.factor'],
    ['retry.jitter above 1', { url, retry: { jitter: 1.1 } }, 'retry.jitter'],
    ['retry.baseMs 0', { url, retry: { baseMs: 0 } }, 'retry.baseMs'],
    ['retry.capMs 0', { url, retry: { capMs: 0 } }, 'retry.capMs'],
    ['retry.maxAttempts 0', { url, retry: { maxAttempts: 0 } }, 'retry.maxAttempts'],
    ['retry.maxAgeMs 0', { url, retry: { maxAgeMs: 0 } }, 'retry.maxAgeMs'],
    ['retry.tryAttempts 0', { url, retry: { tryAttempts: 0 } }, 'retry.tryAttempts'],
    ['an unknown field of retry', { url, retry: { attempts: 1 } }, 'retry.attempts'],
    ['an empty version', { url, version: '' }, 'version'],
  ])('%s', (_name, body, path) => refused(put(body), { ...INVALID, path }));

  test.each(['a%20b', '..%2f', '%00', 'x'.repeat(129)])('the name %s', (name) =>
    refused(put({ url }, name), { ...INVALID, path: 'name' }),
  );

  test.each<[string, object, string]>([
    ['url', { url: 'http://10.0.0.1/' }, 'url'],
    ['one endpoint', { url, endpoints: { cancel: 'http://169.254.169.254/' } }, 'endpoints.cancel'],
    ['a name that nobody knows', { url: 'http://account.invalid/' }, 'url'],
  ])('a target that is not allowed: %s', (_name, body, path) =>
    refused(put(body), { status: 422, code: 'TERCET_TARGET_FORBIDDEN', path }),
  );

  test('one that an unfinished transaction uses cannot be taken out', () =>
    refused(['DELETE', '/v1/components/account'], { status: 409, code: 'TERCET_COMPONENT_IN_USE' }));

  test.each(['GET', 'DELETE'])('%s of one that does not exist', async (method) => {
    for (const name of ['nobody', '%00', 'a%20b']) {
      await refused([method, `/v1/components/${name}`], { status: 404, code: 'TERCET_COMPONENT_UNKNOWN' });
    }
  });

  test.each([
    ['GET', ''],
    ['GET', '/account'],
    ['DELETE', '/half'],
    ['PUT', '/half'],
  ])('%s %s with an unknown query parameter', (method, path) =>
    refused([method, `/v1/components${path}?x=1`, method === 'PUT' ? { url } : undefined], { ...INVALID, path: 'x' }),
  );
});
