/** Half messages over HTTP: docs/wire.md, sections 4 to 7. */
import { createServer } from 'node:http';
import type { Problem, TimelineView, TransactionView } from '../../src/protocol/words.js';
import { json } from '../participants/service.js';
import type { Answer, Asked } from '../participants/service.js';
import { TestNode } from './node.js';

let node: TestNode;

const pending = json(null, 425);
const failing = json(null, 500);
const rolledBack = (reason: string): Answer => json({ reason }, 409);
const committed = json(null);

beforeAll(async () => {
  node = await TestNode.start();
});

afterAll(() => node.stop());

beforeEach(async () => {
  node.participant.answer = committed;
  const retry = { baseMs: 1, capMs: 2, maxAttempts: 3 };
  for (const name of ['order', 'mail']) await node.component(name, { retry });
});

/** Asked after soon, and often. */
const SOON = { component: 'order', payload: { orderId: 'o-1' }, afterMs: 50, intervalMs: 1, maxAttempts: 3 };
/** Nobody is asked while the test runs. */
const LATE = { ...SOON, afterMs: 600_000 };
const MAIL = { branchId: 'mail', component: 'mail', payload: { to: 'ann' } };

const half = (over: object = {}) =>
  node.post('/v1/transactions', { mode: 'message', check: LATE, deliveries: [MAIL], ...over });
const callsOf = (gid: string): Asked[] => node.participant.asked.filter(({ call }) => call.gid === gid);
const settled = (gid: string) => node.get(`/v1/transactions/${gid}?wait=settled&waitMs=20000`);

function answer(answers: Readonly<Record<string, Answer>>): void {
  node.participant.answer = (response, asked) => (answers[asked.path] ?? committed)(response, asked);
}

test('a half message is acknowledged as stored, and delivered to nobody', async () => {
  const { status, body } = await half({ gid: 'half' });
  expect(status).toBe(202);
  expect(body).toMatchObject({
    mode: 'message',
    status: 'open',
    decision: null,
    deadlineAt: null,
    deliverAt: null,
    check: { component: 'order', attempts: 0, afterMs: 600_000, intervalMs: 1, maxAttempts: 3 },
  });
  expect(body.branches).toEqual([{ branchId: 'mail', component: 'mail', state: 'waiting', attempts: 0, reply: null }]);
  expect(Date.parse(body.check?.nextAt ?? '') - Date.parse(body.beganAt)).toBe(600_000);
  expect(callsOf('half')).toEqual([]);
});

test('submit is commit: delivered, with the payload that came with the half message', async () => {
  await half({ gid: 'submitted' });
  const { status, body } = await node.post('/v1/transactions/submitted/submit', { wait: 'settled' });
  expect(status).toBe(200);
  expect(body).toMatchObject({ status: 'committed', decision: 'commit', branches: [{ state: 'delivered' }] });
  expect(callsOf('submitted').map(({ path, call }) => [path, call.mode, call.branchId, call.payload])).toEqual([
    ['/mail/deliver', 'message', 'mail', { to: 'ann' }],
  ]);
});

test('abort is rollback: nobody is called, ever', async () => {
  await half({ gid: 'aborted' });
  const { body } = await node.post('/v1/transactions/aborted/abort', { reason: 'no money', wait: 'settled' });
  expect(body).toMatchObject({
    status: 'aborted',
    reason: { kind: 'requested', detail: 'no money' },
    branches: [{ state: 'waiting' }],
  });
  expect(callsOf('aborted')).toEqual([]);
});

test('a decision is answered again as it is, and the opposite one is 409', async () => {
  for (const [gid, said, opposite] of [
    ['decided-commit', 'submit', 'abort'],
    ['decided-abort', 'abort', 'submit'],
  ] as const) {
    await half({ gid });
    const first = await node.post(`/v1/transactions/${gid}/${said}`, { wait: 'settled' });
    expect((await node.post(`/v1/transactions/${gid}/${said}`, {})).body).toEqual(first.body);
    const refused = await node.post<Problem>(`/v1/transactions/${gid}/${opposite}`, {});
    expect([refused.status, refused.body.code]).toEqual([409, 'TERCET_TRANSACTION_DECIDED']);
    expect((await node.get(`/v1/transactions/${gid}`)).body).toEqual(first.body);
  }
});

test('neither comes: the producer is asked with its own payload, and what it answers decides', async () => {
  answer({ '/order/check': committed });
  await half({ gid: 'checked', check: SOON });
  expect((await settled('checked')).body).toMatchObject({ status: 'committed', check: { attempts: 1, nextAt: null } });
  expect(callsOf('checked').map(({ path, call }) => [path, call.branchId, call.payload])).toEqual([
    ['/order/check', 'check', { orderId: 'o-1' }],
    ['/mail/deliver', 'mail', { to: 'ann' }],
  ]);

  answer({ '/order/check': rolledBack('no such order') });
  await half({ gid: 'checked-back', check: SOON });
  expect((await settled('checked-back')).body).toMatchObject({
    status: 'aborted',
    reason: { kind: 'refused', branchId: 'check', detail: 'no such order' },
  });
  expect(callsOf('checked-back').map(({ path }) => path)).toEqual(['/order/check']);
});

test.each([
  ['does not know yet', pending, 'its producer does not know yet'],
  ['fails', failing, '500'],
])('a producer that %s is asked so often and no more: then the half message is parked', async (_what, said, why) => {
  answer({ '/order/check': said });
  const gid = `parked-${why.length}`;
  await half({ gid, check: SOON });
  const { body } = await settled(gid);
  expect(body).toMatchObject({ status: 'open', decision: null, parked: { branchId: 'check', op: 'check' } });
  expect(body.parked?.why).toContain('check failed 3 times');
  expect(body.parked?.why).toContain(why);
  expect(callsOf(gid)).toHaveLength(3);
});

describe('a parked half message', () => {
  async function parked(gid: string): Promise<void> {
    answer({ '/order/check': pending });
    await half({ gid, check: SOON });
    expect((await settled(gid)).body.parked).toMatchObject({ op: 'check' });
  }

  test('is listed among the parked ones', async () => {
    await parked('listed');
    const { body } = await node.get<{ transactions: TransactionView[] }>('/v1/transactions?parked=true&mode=message');
    expect(body.transactions.map(({ gid }) => gid)).toContain('listed');
  });

  test('is committed by an operator, whose name and reason stand in its timeline', async () => {
    await parked('by-hand');
    const path = '/v1/transactions/by-hand/submit';
    const silent = await node.post<Problem>(path, { by: 'operator' });
    expect([silent.status, silent.body.errors?.[0]?.path]).toEqual([400, 'reason']);
    const { body } = await node.post(path, { by: 'operator', reason: 'the order is there', wait: 'settled' });
    expect(body).toMatchObject({ status: 'committed', parked: null, branches: [{ state: 'delivered' }] });
    const { body: told } = await node.get<TimelineView>('/v1/transactions/by-hand/timeline');
    expect(told.events.find(({ kind }) => kind === 'operator')?.detail).toMatch(/^commit by .*: the order is there$/);
  });

  test('is rolled back by an operator', async () => {
    await parked('back-by-hand');
    const order = { by: 'operator', reason: 'there is no order', wait: 'settled' };
    const { body } = await node.post('/v1/transactions/back-by-hand/abort', order);
    expect(body).toMatchObject({ status: 'aborted', parked: null, reason: { kind: 'operator' } });
  });

  test('is asked again after a resume, with a count of its own', async () => {
    await parked('again');
    answer({ '/order/check': pending });
    await node.post('/v1/transactions/again/resume', { reason: 'the service is back' });
    expect((await settled('again')).body).toMatchObject({ parked: { op: 'check' }, check: { attempts: 3 } });
    expect(callsOf('again')).toHaveLength(6);
    answer({});
    await node.post('/v1/transactions/again/resume', { reason: 'now it knows' });
    expect((await settled('again')).body).toMatchObject({ status: 'committed', check: { attempts: 1 } });
  });

  test('cannot be forced', async () => {
    await parked('forced');
    const { status, body } = await node.post<Problem>('/v1/transactions/forced/branches/check/force', { reason: 'no' });
    expect([status, body.code]).toEqual([409, 'TERCET_TRANSACTION_STATE']);
  });
});

test('a producer that nobody can reach uses up no attempt, and is asked once it is back', async () => {
  const gone = createServer().listen(0, '127.0.0.1');
  await new Promise((listening) => gone.once('listening', listening));
  const { port } = gone.address() as { port: number };
  await new Promise((closed) => gone.close(closed));
  await node.put('/v1/components/away', { url: `http://127.0.0.1:${port}` });
  await half({ gid: 'away', check: { ...SOON, component: 'away' } });
  // More often than it may be asked in vain: each order makes the coordinator ask at once.
  for (let asked = 0; asked < 6; asked += 1) {
    await node.post('/v1/transactions/away/retry', { reason: 'ask now' });
    await new Promise((next) => setTimeout(next, 50));
  }
  const { body } = await node.get('/v1/transactions/away');
  expect(body).toMatchObject({ status: 'open', parked: null, check: { attempts: 0 } });
  await node.component('away');
  await node.post('/v1/transactions/away/retry', { reason: 'it is back' });
  expect((await settled('away')).body).toMatchObject({ status: 'committed', check: { attempts: 1 } });
});

test('a delivery that fails is repeated, then parked, and goes on after a resume', async () => {
  answer({ '/mail/deliver': rolledBack('I may not refuse') });
  await half({ gid: 'stuck' });
  const { body } = await node.post('/v1/transactions/stuck/submit', { wait: 'settled' });
  expect(body).toMatchObject({ status: 'committing', parked: { branchId: 'mail', op: 'deliver' } });
  expect(callsOf('stuck')).toHaveLength(3);
  answer({});
  await node.post('/v1/transactions/stuck/resume', { reason: 'repaired' });
  expect((await settled('stuck')).body).toMatchObject({ status: 'committed', branches: [{ state: 'delivered' }] });
});

test('deliverAt: committed at once, delivered when it is time', async () => {
  const deliverAt = new Date(Date.now() + 700).toISOString();
  await half({ gid: 'later', deliverAt });
  const { body } = await node.post('/v1/transactions/later/submit', { wait: 'decided' });
  expect(body).toMatchObject({ status: 'committing', deliverAt, branches: [{ state: 'waiting' }] });
  expect((await settled('later')).body.branches).toMatchObject([{ state: 'delivered' }]);
  const { body: told } = await node.get<TimelineView>('/v1/transactions/later/timeline');
  const delivered = told.events.find(({ op }) => op === 'deliver');
  expect(Date.parse(delivered?.at ?? '')).toBeGreaterThanOrEqual(Date.parse(deliverAt));
});

test('what a message does not say of its checks its component does', async () => {
  await node.component('order', { check: { afterMs: 70_000, maxAttempts: 2 } });
  const { body } = await half({ gid: 'defaults', check: { component: 'order', intervalMs: 5000 } });
  expect(body.check).toMatchObject({ afterMs: 70_000, intervalMs: 5000, maxAttempts: 2 });
});

test('no branch joins a half message', async () => {
  await half({ gid: 'closed' });
  const asked = { branchId: 'more', component: 'mail' };
  const { status, body } = await node.post<Problem>('/v1/transactions/closed/branches', asked);
  expect([status, body.code]).toEqual([409, 'TERCET_TRANSACTION_STATE']);
});

describe('refused, with the field named', () => {
  const to = (over: object) => ({ deliveries: [{ branchId: 'a', ...over }] });
  test.each<[string, object, number, string]>([
    ['no check', { check: undefined }, 400, 'check'],
    ['no deliveries', { deliveries: [] }, 400, 'deliveries'],
    ['a deadline', { deadlineMs: 5 }, 400, 'deadlineMs'],
    ['branches', { branches: [] }, 400, 'branches'],
    ['another driver', { drive: 'coordinator' }, 400, 'drive'],
    [
      'a delivery that is called like the check',
      { deliveries: [{ ...MAIL, branchId: 'check' }] },
      400,
      'deliveries[0].branchId',
    ],
    ['a branchId twice', { deliveries: [MAIL, MAIL] }, 400, 'deliveries[1].branchId'],
    ['a delivery to nobody', to({}), 400, 'deliveries[0].topic'],
    ['a delivery to both', to({ component: 'mail', topic: 't' }), 400, 'deliveries[0].topic'],
    ['a key of a component', to({ component: 'mail', key: 'k' }), 400, 'deliveries[0].key'],
    ['headers of a component', to({ component: 'mail', headers: {} }), 400, 'deliveries[0].headers'],
    ['a topic of another name', to({ topic: 'a b' }), 400, 'deliveries[0].topic'],
    [
      'a header that the coordinator sets',
      to({ topic: 't', headers: { CE_ID: '1' } }),
      400,
      'deliveries[0].headers.CE_ID',
    ],
    ['a time that is none', { deliverAt: 'soon' }, 400, 'deliverAt'],
    ['a check of a component that is not there', { check: { component: 'nobody' } }, 422, 'check.component'],
    ['a delivery to one', to({ component: 'nobody' }), 422, 'deliveries[0].component'],
    ['a topic, without Kafka', to({ topic: 't' }), 422, 'deliveries[0].topic'],
  ])('%s', async (_what, over, status, path) => {
    const before = await node.recorded();
    const { status: answered, body } = await node.post<Problem>('/v1/transactions', {
      mode: 'message',
      check: LATE,
      deliveries: [MAIL],
      ...over,
    });
    expect([answered, body.errors?.map((error) => error.path)]).toEqual([status, [path]]);
    expect(await node.recorded()).toEqual(before);
  });

  test('a commit by an operator of what is no message', async () => {
    await node.post('/v1/transactions', { mode: 'tcc', gid: 'no-message', drive: 'initiator' });
    const order = { by: 'operator', reason: 'why not' };
    const { status, body } = await node.post<Problem>('/v1/transactions/no-message/submit', order);
    expect([status, body.code]).toEqual([409, 'TERCET_TRANSACTION_STATE']);
  });
});
