/** Sagas over HTTP: docs/wire.md, sections 4 and 6. */
import type { TimelineView, TransactionView } from '../../src/protocol/words.js';
import { json } from '../participants/service.js';
import type { Answer, Asked } from '../participants/service.js';
import { TestNode } from './node.js';

let node: TestNode;

const refuse = (reason: string): Answer => json({ reason }, 409);
const failing = json(null, 500);
const pending = json(null, 425, { 'retry-after': '0' });

beforeAll(async () => {
  node = await TestNode.start();
});

afterAll(() => node.stop());

beforeEach(async () => {
  node.participant.answer = json(null);
  for (const name of ['order', 'payment', 'shipment']) {
    await node.component(name, { retry: { baseMs: 1, capMs: 2, tryAttempts: 2, maxAttempts: 3 } });
  }
  await node.put('/v1/components/reader', { endpoints: { action: `${node.participant.url}/reader/action` } });
});

const ORDER = { branchId: 'order', component: 'order', payload: { item: 'lamp' } };
const PAYMENT = { branchId: 'payment', component: 'payment', payload: { orderId: { $reply: 'order#/orderId' } } };
const SHIPMENT = { branchId: 'shipment', component: 'shipment', payload: { $reply: 'payment' } };
const inOrder = [ORDER, PAYMENT, SHIPMENT];

const begin = (branches: readonly object[], over: object = {}) =>
  node.post('/v1/transactions', { mode: 'saga', wait: 'settled', branches, ...over });
const callsOf = (gid: string): Asked[] => node.participant.asked.filter(({ call }) => call.gid === gid);
const paths = (gid: string): string[] => callsOf(gid).map(({ path }) => path);

/** Each call is answered by the first that names it; all others with an empty reply. */
function answer(answers: Readonly<Record<string, Answer>>): void {
  node.participant.answer = (response, asked) => (answers[asked.path] ?? json(null))(response, asked);
}

test('in order: each action gets what the earlier ones replied, and nothing is confirmed', async () => {
  answer({ '/order/action': json({ orderId: 'o-1' }), '/payment/action': json({ paid: true }) });
  const { status, body } = await begin(inOrder, { gid: 'in-order' });
  expect(status).toBe(201);
  expect(callsOf('in-order').map(({ path, call }) => [path, call.mode, call.payload, call.reply])).toEqual([
    ['/order/action', 'saga', { item: 'lamp' }, null],
    ['/payment/action', 'saga', { orderId: 'o-1' }, null],
    ['/shipment/action', 'saga', { paid: true }, null],
  ]);
  expect(body).toMatchObject({
    mode: 'saga',
    status: 'committed',
    decision: 'commit',
    recovery: 'backward',
    parallel: 100,
    deadlineAt: null,
    branches: [
      { branchId: 'order', state: 'done', reply: { orderId: 'o-1' }, after: [], compensate: true, pivot: false },
      { branchId: 'payment', state: 'done', after: ['order'] },
      { branchId: 'shipment', state: 'done', after: ['payment'] },
    ],
  });
});

test('refused late in the chain: undone in reverse, each with what its action got and replied', async () => {
  answer({
    '/order/action': json({ orderId: 'o-2' }),
    '/payment/action': json({ paid: true }),
    '/shipment/action': refuse('no lorry'),
  });
  const { status, body } = await begin(inOrder, { gid: 'refused' });
  expect(status).toBe(201);
  expect(body).toMatchObject({
    status: 'aborted',
    decision: 'abort',
    reason: { kind: 'refused', branchId: 'shipment', detail: 'no lorry' },
  });
  expect(body.branches.map(({ state }) => state)).toEqual(['compensated', 'compensated', 'compensated']);
  const undone = callsOf('refused').slice(3);
  expect(undone.map(({ path, call }) => [path, call.payload, call.reply])).toEqual([
    ['/shipment/compensate', { paid: true }, null],
    ['/payment/compensate', { orderId: 'o-2' }, { paid: true }],
    ['/order/compensate', { item: 'lamp' }, { orderId: 'o-2' }],
  ]);
});

test('as a graph: what stands side by side is called side by side', async () => {
  const together: string[] = [];
  let release = (): void => undefined;
  node.participant.answer = (response, asked) => {
    const go = (): void => json(null)(response, asked);
    if (asked.call.branchId !== 'left' && asked.call.branchId !== 'right') return go();
    together.push(asked.call.branchId);
    const releaseOther = release;
    release = () => (go(), releaseOther());
    if (together.length === 2) release();
  };
  const { body } = await begin([
    { branchId: 'top', component: 'order', after: [] },
    { branchId: 'left', component: 'payment', after: ['top'] },
    { branchId: 'right', component: 'shipment', after: ['top'] },
    { branchId: 'bottom', component: 'order', after: ['left', 'right'] },
  ]);
  expect(body.status).toBe('committed');
  expect(together.sort()).toEqual(['left', 'right']);
});

test('an unknown action is tried again, then undone with all before it', async () => {
  answer({ '/payment/action': failing });
  const { body } = await begin(
    inOrder.slice(0, 2).map((branch) => ({ ...branch, payload: null })),
    { gid: 'unknown' },
  );
  expect(body).toMatchObject({ status: 'aborted', reason: { kind: 'unknown', branchId: 'payment' } });
  expect(paths('unknown')).toEqual([
    '/order/action',
    '/payment/action',
    '/payment/action',
    '/payment/compensate',
    '/order/compensate',
  ]);
});

test('pending is asked again until it is done, and uses up no attempt', async () => {
  let asked = 0;
  answer({ '/order/action': (...args) => ((asked += 1) < 4 ? pending : json({ ok: true }))(...args) });
  const { body } = await begin([ORDER], { gid: 'pending' });
  expect(body.branches[0]).toMatchObject({ state: 'done', attempts: 1, reply: { ok: true } });
});

test('forward recovery: decided at begin, retried where it is refused, no abort', async () => {
  let asked = 0;
  answer({ '/order/action': (...args) => ((asked += 1) < 3 ? refuse('not yet') : json(null))(...args) });
  const { status, body } = await begin([ORDER], { gid: 'forward', recovery: 'forward' });
  expect(status).toBe(201);
  expect(body).toMatchObject({ status: 'committed', decision: 'commit', recovery: 'forward' });
  expect(body.decidedAt).toBe(body.beganAt);
  expect(paths('forward')).toEqual(['/order/action', '/order/action', '/order/action']);
  const { events } = (await node.get<TimelineView>('/v1/transactions/forward/timeline')).body;
  expect(events.slice(0, 2)).toMatchObject([
    { kind: 'begun' },
    { kind: 'decided', detail: 'commit: forward recovery' },
  ]);
});

test('after the pivot nothing is undone: what fails parks, and goes on once a person forces it', async () => {
  answer({ '/payment/action': refuse('closed') });
  const branches = [
    { ...ORDER, pivot: true },
    { ...PAYMENT, payload: null },
    { ...SHIPMENT, payload: null },
  ];
  const begun = await begin(branches, { gid: 'pivot' });
  expect(begun.status).toBe(202);
  expect(begun.body).toMatchObject({
    status: 'committing',
    decision: 'commit',
    parked: { branchId: 'payment', op: 'action', why: 'action failed 3 times, the last time: refused: closed' },
  });
  expect((await node.post('/v1/transactions/pivot/abort', {})).status).toBe(409);
  await node.post('/v1/transactions/pivot/branches/payment/force', { reason: 'paid in cash' });
  const { body } = await node.get('/v1/transactions/pivot?wait=settled');
  expect(body).toMatchObject({ status: 'committed', parked: null });
  expect(body.branches.map(({ state }) => state)).toEqual(['done', 'forced', 'done']);
});

test('a compensation that gives up parks as rollback incomplete; resumed, the rest is undone', async () => {
  answer({ '/payment/compensate': failing, '/shipment/action': refuse('no lorry') });
  const { body } = await begin(
    inOrder.map((branch) => ({ ...branch, payload: null })),
    { gid: 'incomplete' },
  );
  expect(body).toMatchObject({ status: 'aborting', parked: { branchId: 'payment', op: 'compensate' } });
  expect(body.parked?.why).toMatch(/^rollback incomplete: compensate failed 3 times/);
  expect(paths('incomplete')).not.toContain('/order/compensate');
  answer({});
  await node.post('/v1/transactions/incomplete/resume', { reason: 'repaired' });
  const after = (await node.get('/v1/transactions/incomplete?wait=settled')).body;
  expect(after).toMatchObject({ status: 'aborted', parked: null });
  expect(after.branches.map(({ state }) => state)).toEqual(['compensated', 'compensated', 'compensated']);
  const { events } = (await node.get<TimelineView>('/v1/transactions/incomplete/timeline')).body;
  expect(events.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['parked', 'operator']));
});

test('an abort by the initiator undoes what was started', async () => {
  const release = node.hold('action');
  await begin([ORDER, { ...PAYMENT, payload: null }], { gid: 'changed-mind', wait: 'accepted' });
  const aborted = await node.post('/v1/transactions/changed-mind/abort', { reason: 'changed her mind' });
  expect(aborted.body).toMatchObject({ status: 'aborting', reason: { kind: 'requested', detail: 'changed her mind' } });
  release();
  const { body } = await node.get('/v1/transactions/changed-mind?wait=settled');
  expect(body.branches.map(({ state }) => state)).toEqual(['compensated', 'waiting']);
  expect(paths('changed-mind')).toEqual(['/order/action', '/order/compensate']);
  expect((await node.post('/v1/transactions/changed-mind/submit', {})).status).toBe(409);
});

test('a branch has a timeout, a retry policy and a deadline of its own', async () => {
  const release = node.hold('action');
  const own = { timeoutMs: 40, retry: { tryAttempts: 3 }, compensateRetry: { maxAttempts: 1 } };
  const { body } = await begin([{ ...ORDER, ...own }], { gid: 'own' });
  release();
  expect(body).toMatchObject({
    reason: { kind: 'unknown', detail: expect.stringMatching(/^action failed 3 times.*40 ms/) },
  });
  expect(callsOf('own')[0]?.headers['tercet-timeout-ms']).toBe('40');
  answer({ '/order/action': pending });
  const late = await begin([{ ...ORDER, deadlineMs: 250 }], { gid: 'late' });
  expect(late.body).toMatchObject({ status: 'aborted', reason: { kind: 'deadline', branchId: 'order' } });
});

test('begun again with the same content it is the recorded one, with other content 409', async () => {
  const first = await begin(
    inOrder.map((branch) => ({ ...branch, payload: null })),
    { gid: 'again' },
  );
  const same = await begin(
    inOrder.map((branch) => ({ ...branch, payload: null })),
    { gid: 'again' },
  );
  expect(same.status).toBe(200);
  expect(same.body).toEqual(first.body);
  expect((await begin([ORDER], { gid: 'again' })).status).toBe(409);
});

describe('what makes no sense is refused at begin, named, and changes nothing', () => {
  const at = (branchId: string, after: string[], more: object = {}) => ({
    branchId,
    component: 'order',
    after,
    ...more,
  });
  const line = (branchId: string, more: object = {}) => ({ branchId, component: 'order', ...more });
  const reply = (target: unknown) => ({ payload: { value: { $reply: target } } });
  test.each<[string, number, object[], object, string, RegExp]>([
    [
      'a cycle',
      422,
      [at('x', []), at('a', ['c']), at('b', ['a']), at('c', ['b'])],
      {},
      'branches[1].after',
      /'a' comes after 'c' comes after 'b' comes after 'a'/,
    ],
    ['itself', 422, [at('a', ['a'])], {}, 'branches[0].after[0]', /'a' cannot come after itself/],
    ['a dangling name', 422, [at('a', []), at('b', ['a', 'nobody'])], {}, 'branches[1].after[1]', /no branch 'nobody'/],
    ['some with after', 400, [line('a'), at('b', ['a'])], {}, 'branches[0].after', /all branches/],
    ['an unknown component', 422, [{ ...line('a'), component: 'nobody' }], {}, 'branches[0].component', /nobody/],
    [
      'a reference to no branch',
      422,
      [line('a', reply('ghost#/id'))],
      {},
      'branches[0].payload',
      /'ghost', which is no branch/,
    ],
    [
      'a reference to a later branch',
      422,
      [line('a', reply('b')), line('b')],
      {},
      'branches[0].payload',
      /'b', which need not have run/,
    ],
    ['a reference to its own reply', 422, [line('a', reply('a'))], {}, 'branches[0].payload', /need not have run/],
    [
      'a reference sideways',
      422,
      [at('a', []), at('b', [], reply('a'))],
      {},
      'branches[1].payload',
      /need not have run/,
    ],
    [
      'a reference that is no text',
      422,
      [line('a'), line('b', reply(7))],
      {},
      'branches[1].payload',
      /\$reply is "branchId"/,
    ],
    [
      'a pointer that is none',
      422,
      [line('a'), line('b', reply('a#id'))],
      {},
      'branches[1].payload',
      /no JSON pointer/,
    ],
    [
      'a reference with company',
      422,
      [line('a'), line('b', { payload: { $reply: 'a', x: 1 } })],
      {},
      'branches[1].payload',
      /no other field/,
    ],
    [
      '65 references',
      422,
      [line('a'), line('b', { payload: Array(65).fill({ $reply: 'a' }) })],
      {},
      'branches[1].payload',
      /more than 64/,
    ],
    [
      'two pivots',
      422,
      [line('a', { pivot: true }), line('b', { pivot: true })],
      {},
      'branches[1].pivot',
      /'a' is, and a saga is decided once/,
    ],
    [
      'undoing after the pivot',
      422,
      [line('a', { pivot: true }), line('b', { compensate: true })],
      {},
      'branches[1].compensate',
      /'b' comes after the pivot 'a'/,
    ],
    [
      'undoing under forward recovery',
      422,
      [line('a', { compensate: true })],
      { recovery: 'forward' },
      'branches[0].compensate',
      /forward/,
    ],
    [
      'a pivot under forward recovery',
      422,
      [line('a', { pivot: true })],
      { recovery: 'forward' },
      'branches[0].pivot',
      /forward/,
    ],
    [
      'a component that cannot undo',
      422,
      [{ ...line('a'), component: 'reader' }],
      {},
      'branches[0].component',
      /no URL for compensate/,
    ],
    ['an initiator that drives', 400, [line('a')], { drive: 'initiator' }, 'drive', /driven by the coordinator/],
    ['no branches', 400, [], {}, 'branches', /at least one/],
    ['1001 branches', 400, Array.from({ length: 1001 }, (_, i) => line(`b${i}`)), {}, 'branches', /1000/],
    ['too many at a time', 400, [line('a')], { parallel: 1001 }, 'parallel', /1000/],
  ])('%s', async (_what, code, branches, over, path, message) => {
    const before = await node.recorded();
    const { status, body } = await node.send('POST', '/v1/transactions', { mode: 'saga', branches, ...over });
    expect([status, body.errors?.[0]?.path]).toEqual([code, path]);
    expect(body.errors?.[0]?.message).toMatch(message);
    expect(await node.recorded()).toEqual(before);
  });
});

test('a component that cannot undo takes part where nothing is to be undone', async () => {
  const reader = { branchId: 'reader', component: 'reader' };
  expect((await begin([{ ...reader, compensate: false }, ORDER])).body.status).toBe('committed');
  expect((await begin([{ ...ORDER, pivot: true }, reader])).body.status).toBe('committed');
  expect((await begin([reader], { recovery: 'forward' })).body.status).toBe('committed');
});

test('a saga of 1,000 branches in order, and one that is 100 wide', async () => {
  const many = Array.from({ length: 1000 }, (_, index) => ({ branchId: `b${index}`, component: 'order' }));
  const long = await begin(many, { gid: 'long', waitMs: 60_000 });
  expect(long.body.status).toBe('committed');
  expect(callsOf('long').map(({ call }) => call.branchId)).toEqual(many.map(({ branchId }) => branchId));
  const wide = [
    { branchId: 'first', component: 'order', after: [] as string[] },
    ...many.slice(0, 100).map((branch) => ({ ...branch, after: ['first'] })),
    { branchId: 'last', component: 'shipment', after: many.slice(0, 100).map(({ branchId }) => branchId) },
  ];
  answer({ '/shipment/action': refuse('no lorry') });
  const { body } = await begin(wide, { gid: 'wide', waitMs: 60_000 });
  expect(body.status).toBe('aborted');
  expect(body.branches.every(({ state }) => state === 'compensated')).toBe(true);
  expect(paths('wide').slice(0, 1)).toEqual(['/order/action']);
  expect(callsOf('wide').at(-1)?.call).toMatchObject({ branchId: 'first', op: 'compensate' });
});

test('what ended is listed and shown as it was', async () => {
  const { body } = await begin([{ ...ORDER, compensate: false }], { gid: 'shown' });
  const listed = await node.get<{ transactions: TransactionView[] }>('/v1/transactions?mode=saga&limit=1');
  expect(listed.body.transactions).toEqual([body]);
});
