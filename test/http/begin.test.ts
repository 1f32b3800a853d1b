/** Beginning a transaction: docs/wire.md, section 4. */
import { json, raw } from '../participants/service.js';
import { begin, TestNode } from './node.js';

let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start();
});

afterAll(() => node.stop());

beforeEach(async () => {
  node.participant.answer = json({ held: 300 });
  await node.component('account', { retry: { baseMs: 1, capMs: 2 } });
  await node.component('stock', { retry: { baseMs: 1, capMs: 2 } });
});

const two = [
  { branchId: 'a', component: 'account', payload: { amount: 300 } },
  { branchId: 's', component: 'stock' },
];
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

test('a purchase that succeeds: 201, with Location and the whole transaction', async () => {
  const { status, headers, body } = await node.post(
    '/v1/transactions',
    begin({ gid: 'order-1', businessKey: 'customer-4711', wait: 'settled', branches: two }),
  );
  expect(status).toBe(201);
  expect(headers.get('location')).toBe('/v1/transactions/order-1');
  expect(headers.get('content-type')).toContain('application/json');
  const time: unknown = expect.stringMatching(ISO);
  const branch = { state: 'confirmed', attempts: 1, reply: { held: 300 } };
  expect(body).toEqual({
    gid: 'order-1',
    mode: 'tcc',
    businessKey: 'customer-4711',
    release: null,
    status: 'committed',
    decision: 'commit',
    reason: null,
    parked: null,
    branches: [
      { branchId: 'a', component: 'account', ...branch },
      { branchId: 's', component: 'stock', ...branch },
    ],
    beganAt: time,
    decidedAt: time,
    endedAt: time,
    deadlineAt: time,
  });
  expect(Date.parse(body.deadlineAt ?? '') - Date.parse(body.beganAt)).toBe(30_000);
});

test('the participants are asked to try and then to confirm, with payload and reply', async () => {
  const before = node.participant.asked.length;
  await node.post('/v1/transactions', begin({ gid: 'order-2', wait: 'settled', branches: two }));
  const calls = node.participant.asked.slice(before);
  expect(calls.map(({ path, call }) => `${path} ${JSON.stringify([call.payload, call.reply])}`).sort()).toEqual([
    '/account/confirm [{"amount":300},{"held":300}]',
    '/account/try [{"amount":300},null]',
    '/stock/confirm [null,{"held":300}]',
    '/stock/try [null,null]',
  ]);
});

test('a refused purchase is a successful answer with the decision abort and who refused', async () => {
  node.participant.answer = (response, asked) =>
    asked.path === '/stock/try' ? json({ reason: 'sold out' }, 409)(response, asked) : json({})(response, asked);
  const { status, body } = await node.post('/v1/transactions', begin({ wait: 'settled', branches: two }));
  expect(status).toBe(201);
  expect(body).toMatchObject({
    status: 'aborted',
    decision: 'abort',
    reason: { kind: 'refused', branchId: 's', detail: 'sold out' },
    branches: [{ state: 'cancelled' }, { state: expect.stringMatching(/^(refused|cancelled)$/) as string }],
  });
});

test('a try that stays unknown aborts after tryAttempts', async () => {
  node.participant.answer = (response, asked) =>
    (asked.path === '/account/try' ? raw('', 500) : json({}))(response, asked);
  const { body } = await node.post('/v1/transactions', begin({ gid: 'unknown', wait: 'settled' }));
  expect(body).toMatchObject({ status: 'aborted', reason: { kind: 'unknown', branchId: 'a' } });
  const tries = node.participant.asked.filter(({ call, path }) => call.gid === 'unknown' && path === '/account/try');
  expect(tries).toHaveLength(3);
});

test('without a gid one is made, different each time', async () => {
  const answers = await Promise.all([1, 2, 3].map(() => node.post('/v1/transactions', begin())));
  const gids = new Set(answers.map(({ body }) => body.gid));
  expect(gids.size).toBe(3);
  for (const gid of gids) expect(gid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/);
});

describe('wait', () => {
  test('accepted: 202 at once, while no participant has answered', async () => {
    const release = node.hold('try');
    const { status, body, headers } = await node.post(
      '/v1/transactions',
      begin({ gid: 'w-accepted', wait: 'accepted' }),
    );
    expect([status, body.status, body.decision]).toEqual([202, 'open', null]);
    expect(headers.get('location')).toBe('/v1/transactions/w-accepted');
    release();
    expect((await node.get('/v1/transactions/w-accepted?wait=settled')).body.status).toBe('committed');
  });

  test('decided, which is the default: 201 while the confirms are under way', async () => {
    const release = node.hold('confirm');
    const { status, body } = await node.post('/v1/transactions', begin({ gid: 'w-decided' }));
    expect([status, body.status, body.decision, body.endedAt]).toEqual([201, 'committing', 'commit', null]);
    // Not 0: no answer shows less than an earlier one did.
    expect(body.branches[0]).toMatchObject({ state: 'done', attempts: 1 });
    expect((await node.get('/v1/transactions/w-decided')).body.branches[0]).toMatchObject({ attempts: 1 });
    release();
    await node.get('/v1/transactions/w-decided?wait=settled');
  });

  test('what was waited for has not come when waitMs is over: 202 with what is known', async () => {
    const release = node.hold('confirm');
    const { status, body } = await node.post('/v1/transactions', begin({ gid: 'w-late', wait: 'settled', waitMs: 1 }));
    expect(status).toBe(202);
    expect(body.endedAt).toBeNull();
    release();
    const later = await node.post('/v1/transactions', begin({ gid: 'w-late', wait: 'settled' }));
    expect([later.status, later.body.status]).toEqual([200, 'committed']);
  });

  test('a transaction that gets parked ends the wait: 202, and says why it is parked', async () => {
    await node.component('account', { retry: { baseMs: 1, capMs: 1, maxAttempts: 2 } });
    node.participant.answer = (response, asked) =>
      (asked.call.op === 'confirm' ? raw('', 500) : json({}))(response, asked);
    const { status, body } = await node.post('/v1/transactions', begin({ gid: 'w-parked', wait: 'settled' }));
    expect(status).toBe(202);
    expect(body).toMatchObject({ status: 'committing', decision: 'commit', parked: { branchId: 'a', op: 'confirm' } });
    expect(body.parked?.at).toMatch(ISO);
    expect(body.parked?.why).not.toBe('');
    node.participant.answer = json({});
    await node.post('/v1/transactions/w-parked/resume', { reason: 'repaired' });
    expect((await node.get('/v1/transactions/w-parked?wait=settled')).body.status).toBe('committed');
  });

  test('whoever asks for the same gid while it runs waits with the first', async () => {
    const release = node.hold('try');
    const asked = node.participant.asked.length;
    const first = node.post('/v1/transactions', begin({ gid: 'w-two', wait: 'settled' }));
    await node.participant.wasAsked(asked + 1);
    const second = node.post('/v1/transactions', begin({ gid: 'w-two', wait: 'settled' }));
    release();
    const answers = await Promise.all([first, second]);
    expect(answers.map(({ status, body }) => [status, body.status])).toEqual([
      [201, 'committed'],
      [200, 'committed'],
    ]);
    expect(answers[1]?.body).toEqual(answers[0]?.body);
  });
});

describe('the same gid (G11)', () => {
  test('and the same content: the recorded transaction, and nobody is called again', async () => {
    const request = begin({ gid: 'again', wait: 'settled' });
    const first = await node.post('/v1/transactions', request);
    const asked = node.participant.asked.length;
    const second = await node.post('/v1/transactions', request);
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(second.body).toEqual(first.body);
    expect(second.headers.get('location')).toBe('/v1/transactions/again');
    expect(node.participant.asked).toHaveLength(asked);
  });

  test('in another order of keys, with other spaces, and asking for another wait, is the same content', async () => {
    await node.post('/v1/transactions', begin({ gid: 'keys', businessKey: 'k', wait: 'settled' }));
    const text = `{ "branches": [{"payload": {"amount": 3.00e2}, "component": "account", "branchId": "a"}],
      "waitMs": 7, "wait": "accepted", "businessKey": "k", "gid": "keys", "mode": "tcc" }`;
    expect(await node.post('/v1/transactions', text)).toMatchObject({ status: 202, body: { status: 'committed' } });
  });

  test('in the header Idempotency-Key instead of the body is the same gid', async () => {
    const key = { 'idempotency-key': 'by-header' };
    const first = await node.post('/v1/transactions', begin({ wait: 'settled' }), key);
    expect([first.status, first.body.gid]).toEqual([201, 'by-header']);
    for (const [body, headers] of [
      [begin({ wait: 'settled' }), key],
      [begin({ wait: 'settled', gid: 'by-header' }), key],
      [begin({ wait: 'settled', gid: 'by-header' }), {}],
    ] as const) {
      expect(await node.post('/v1/transactions', body, headers)).toMatchObject({ status: 200, body: first.body });
    }
  });

  test.each<[string, object]>([
    ['another payload', { branches: [{ ...two[0], payload: { amount: 301 } }] }],
    ['a payload where none was', { branches: [two[0], { ...two[1], payload: null }] }],
    ['a default that was left out before', { drive: 'coordinator' }],
    ['another businessKey', { businessKey: 'x' }],
    ['one branch more', { branches: [...two, { branchId: 'c', component: 'stock' }] }],
    ['branches in another order', { branches: [...two].reverse() }],
  ])('with %s is 409, and leaves what is recorded', async (_name, over) => {
    await node.post('/v1/transactions', begin({ gid: 'other', branches: two, wait: 'settled' }));
    const before = await node.recorded();
    const { status, body } = await node.post<unknown>(
      '/v1/transactions',
      begin({ gid: 'other', branches: two, ...over }),
    );
    expect([status, body]).toMatchObject([409, { code: 'TERCET_GID_CONFLICT' }]);
    expect(await node.recorded()).toEqual(before);
  });

  test('the recorded transaction is the answer even when its component is gone', async () => {
    await node.component('brief');
    const request = begin({ gid: 'gone', wait: 'settled', branches: [{ branchId: 'a', component: 'brief' }] });
    await node.post('/v1/transactions', request);
    expect((await node.send('DELETE', '/v1/components/brief')).status).toBe(204);
    expect((await node.post('/v1/transactions', request)).status).toBe(200);
    expect((await node.post('/v1/transactions', { ...request, gid: 'gone-2' })).status).toBe(422);
  });

  test('many begins of one gid at once: one is 201, and each branch is tried once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => node.post('/v1/transactions', begin({ gid: 'crowd', wait: 'settled' }))),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array<number>(19).fill(200), 201]);
    const tries = node.participant.asked.filter(({ call }) => call.gid === 'crowd' && call.op === 'try');
    expect(tries).toHaveLength(1);
  });
});

describe('what may pass', () => {
  test.each([
    ['a key that JavaScript treats apart', '{"__proto__":{"admin":true},"constructor":1}'],
    ['the largest exact integers', '[9007199254740991,-9007199254740991]'],
    ['any letters', JSON.stringify('ä€😀\u2028\\u0000')],
    ['half a surrogate pair, escaped', '"\\ud800"'],
    ['64 levels, those around it among them', '['.repeat(61) + ']'.repeat(61)],
    ['256 KiB', `"${'x'.repeat(256 * 1024 - 2)}"`],
    ['false', 'false'],
  ])('as a payload: %s', async (_name, payload) => {
    const asked = node.participant.asked.length;
    const text = `{"mode":"tcc","wait":"settled","branches":[{"branchId":"a","component":"account","payload":${payload}}]}`;
    const { status } = await node.post('/v1/transactions', text);
    expect(status).toBe(201);
    expect(node.participant.asked[asked]?.text).toContain(`"payload":${payload},"reply"`);
  });

  test('identifiers of 128 characters of every allowed kind', async () => {
    const gid = 'aZ09._:-'.repeat(16);
    const { body, headers } = await node.post('/v1/transactions', begin({ gid, wait: 'settled' }));
    expect(body.gid).toBe(gid);
    const location = headers.get('location') ?? '';
    expect((await node.get(location)).body).toEqual(body);
    expect((await node.get(`/v1/transactions/${gid}`)).body).toEqual(body);
  });

  test('1000 branches', async () => {
    const branches = Array.from({ length: 1000 }, (_, at) => ({ branchId: `b-${at}`, component: 'account' }));
    const { status, body } = await node.post('/v1/transactions', begin({ branches, wait: 'settled' }));
    expect([status, body.status, body.branches.length]).toEqual([201, 'committed', 1000]);
    expect(body.branches.map(({ branchId }) => branchId)).toEqual(branches.map(({ branchId }) => branchId));
  });

  test('a body with a charset in its content type', async () => {
    const type = { 'content-type': 'application/json; charset=utf-8' };
    expect((await node.post('/v1/transactions', begin(), type)).status).toBe(201);
  });
});
