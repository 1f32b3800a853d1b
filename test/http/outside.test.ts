/** Transactions that their initiator drives: docs/wire.md, section 5. */
import type { PreparedCall } from '../../src/engine/ports.js';
import type { BranchView } from '../../src/protocol/words.js';
import { json } from '../participants/service.js';
import { TestNode } from './node.js';

type Registered = BranchView & { gid: string; call: PreparedCall };

let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start();
});

afterAll(() => node.stop());

beforeEach(async () => {
  node.participant.answer = json({ held: 300 });
  await node.component('account', { timeoutMs: 2500, retry: { baseMs: 1, capMs: 2 } });
});

const at = (gid: string, rest = ''): string => `/v1/transactions/${gid}${rest}`;
const account = { branchId: 'a', component: 'account', payload: { amount: 300 } };
const open = (gid: string, over: object = {}) =>
  node.post('/v1/transactions', { mode: 'tcc', gid, drive: 'initiator', ...over });
const register = (gid: string, branch: object = account) => node.post<Registered>(at(gid, '/branches'), branch);
const callsOf = (gid: string): string[] =>
  node.participant.asked.filter(({ call }) => call.gid === gid).map(({ call }) => `${call.op} ${call.branchId}`);

describe('open', () => {
  test('202 at once, and nobody is called, not even for branches that were given', async () => {
    const { status, body } = await open('o-1', { branches: [account] });
    expect(status).toBe(202);
    expect(body).toMatchObject({ status: 'open', decision: null, branches: [{ branchId: 'a', state: 'started' }] });
    const { body: later } = await node.get(at('o-1', '?wait=decided&waitMs=50'));
    expect(later).toEqual(body);
    expect(callsOf('o-1')).toEqual([]);
  });

  test('waiting for the decision waits for the submit', async () => {
    const answer = open('o-2', { wait: 'decided' });
    await untilThere('o-2');
    await node.post(at('o-2', '/submit'), { wait: 'settled' });
    const { status, body } = await answer;
    expect([status, body.decision]).toEqual([201, 'commit']);
  });
});

describe('a branch', () => {
  test('is recorded with 201, again with 200 and the same call, which the participant takes as its try', async () => {
    await open('b-1');
    const first = await register('b-1');
    expect(first.status).toBe(201);
    expect(first.body).toMatchObject({ gid: 'b-1', branchId: 'a', state: 'started', attempts: 0, reply: null });
    const again = await register('b-1');
    expect(again.status).toBe(200);
    // One trace, in which each sending has an id of its own.
    const traced = ({ body }: typeof first): string => JSON.stringify(body).replace(/-[0-9a-f]{16}-01/, '');
    expect(traced(again)).toBe(traced(first));

    const { url, headers: sent, body } = first.body.call;
    expect((await fetch(url, { method: 'POST', headers: sent, body })).status).toBe(200);
    const asked = node.participant.asked.at(-1);
    const { body: view } = await node.get(at('b-1'));
    expect(asked?.path).toBe('/account/try');
    expect(asked?.call).toEqual({
      gid: 'b-1',
      branchId: 'a',
      op: 'try',
      attempt: 1,
      mode: 'tcc',
      component: 'account',
      beganAt: view.beganAt,
      payload: { amount: 300 },
      reply: null,
    });
    expect(asked?.headers).toMatchObject({
      'content-type': 'application/json',
      'tercet-gid': 'b-1',
      'tercet-branch': 'a',
      'tercet-op': 'try',
      'tercet-attempt': '1',
      'tercet-timeout-ms': '2500',
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/),
    });
  });

  test('that was given at begin is registered again to get its call', async () => {
    await open('b-2', { branches: [account] });
    const { status, body } = await register('b-2');
    expect([status, body.call.url]).toEqual([200, `${node.participant.url}/account/try`]);
  });

  test('is confirmed after a submit, with its payload, and nothing calls its try', async () => {
    await open('b-3');
    await register('b-3');
    const { status, body } = await node.post(at('b-3', '/submit'), { wait: 'settled' });
    expect([status, body.status, body.branches[0]?.state]).toEqual([200, 'committed', 'confirmed']);
    expect(callsOf('b-3')).toEqual(['confirm a']);
    expect(node.participant.asked.at(-1)?.call).toMatchObject({ payload: { amount: 300 }, reply: null });
  });

  test('is cancelled after an abort, whether its try was called or not', async () => {
    await open('b-4');
    await register('b-4');
    const { body } = await node.post(at('b-4', '/abort'), { wait: 'settled' });
    expect([body.status, body.branches[0]?.state]).toEqual(['aborted', 'cancelled']);
    expect(callsOf('b-4')).toEqual(['cancel a']);
  });

  test('without a payload has the payload null, and that is the same content', async () => {
    await open('b-5');
    const bare = { branchId: 'a', component: 'account' };
    expect((await register('b-5', bare)).status).toBe(201);
    const { status, body } = await register('b-5', { ...bare, payload: null });
    expect([status, (JSON.parse(body.call.body) as { payload: unknown }).payload]).toEqual([200, null]);
  });

  test('the same again is 200 after the decision too', async () => {
    await open('b-6');
    await register('b-6');
    await node.post(at('b-6', '/submit'), { wait: 'settled' });
    expect(await register('b-6')).toMatchObject({ status: 200, body: { state: 'confirmed' } });
  });

  test('ten registered at once are all recorded, and all confirmed', async () => {
    await open('b-7');
    const ids = Array.from({ length: 10 }, (_, index) => `a-${index}`);
    const answers = await Promise.all(ids.map((branchId) => register('b-7', { ...account, branchId })));
    expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 201));
    const { body } = await node.post(at('b-7', '/submit'), { wait: 'settled' });
    expect(body.branches.map(({ branchId, state }) => `${branchId} ${state}`).sort()).toEqual(
      ids.map((id) => `${id} confirmed`),
    );
  });
});

test('no branch joins a transaction that the coordinator drives', async () => {
  const release = node.hold('try');
  await node.post('/v1/transactions', { mode: 'tcc', gid: 'driven', wait: 'accepted', branches: [account] });
  const { status, body } = await node.send('POST', at('driven', '/branches'), { ...account, branchId: 'b' });
  expect([status, body.code]).toEqual([409, 'TERCET_TRANSACTION_STATE']);
  const submitted = await node.send('POST', at('driven', '/submit'));
  expect([submitted.status, submitted.body.code]).toEqual([409, 'TERCET_TRANSACTION_STATE']);
  release();
  expect((await node.get(at('driven', '?wait=settled'))).body.status).toBe('committed');
});

describe('submit', () => {
  test('without branches commits', async () => {
    await open('s-1');
    const { status, body } = await node.post(at('s-1', '/submit'), { wait: 'settled' });
    expect([status, body.status, body.decision]).toEqual([200, 'committed', 'commit']);
  });

  test('without a body waits for the decision; again it gives the same answer', async () => {
    const release = node.hold('confirm');
    await open('s-2', { branches: [account] });
    const first = await node.post(at('s-2', '/submit'));
    expect([first.status, first.body.status]).toEqual([200, 'committing']);
    const again = await node.post(at('s-2', '/submit'));
    expect([again.status, again.body]).toEqual([200, first.body]);
    release();
    const last = await node.post(at('s-2', '/submit'), { wait: 'settled' });
    expect([last.status, last.body.status]).toEqual([200, 'committed']);
    expect(callsOf('s-2')).toEqual(['confirm a']);
  });

  test.each([
    ['accepted', 30_000],
    ['settled', 1],
  ])('waiting for %s for %d ms: 202 with what is known', async (wait, waitMs) => {
    const release = node.hold('confirm');
    const gid = `s-${wait}`;
    await open(gid, { branches: [account] });
    const { status, body } = await node.post(at(gid, '/submit'), { wait, waitMs });
    expect([status, body.status, body.endedAt]).toEqual([202, 'committing', null]);
    release();
    await node.get(at(gid, '?wait=settled'));
  });

  test('and abort at once: one decision, and both are told the same', async () => {
    await open('s-race', { branches: [account] });
    const answers = await Promise.all(
      ['submit', 'abort'].map((decision) => node.post(at('s-race', `/${decision}`), { wait: 'settled' })),
    );
    const { body } = await node.get(at('s-race'));
    const [committed, aborted] = answers.map(({ status }) => status);
    expect([committed, aborted]).toEqual(body.decision === 'commit' ? [200, 409] : [409, 200]);
    expect(callsOf('s-race')).toEqual([body.decision === 'commit' ? 'confirm a' : 'cancel a']);
  });
});

describe('abort', () => {
  test('records the reason that was given first', async () => {
    await open('a-1');
    const first = await node.post(at('a-1', '/abort'), { reason: 'the customer left', wait: 'settled' });
    expect([first.status, first.body.status]).toEqual([200, 'aborted']);
    expect(first.body.reason).toEqual({ kind: 'requested', detail: 'the customer left' });
    const again = await node.post(at('a-1', '/abort'), { reason: 'another', wait: 'settled' });
    expect([again.status, again.body]).toEqual([200, first.body]);
  });

  test('without a reason says only that it was requested', async () => {
    await open('a-2');
    expect((await node.post(at('a-2', '/abort'))).body.reason).toEqual({ kind: 'requested' });
  });

  test('of a transaction that the coordinator drives cancels what was started', async () => {
    const release = node.hold('try');
    await node.post('/v1/transactions', { mode: 'tcc', gid: 'a-3', wait: 'accepted', branches: [account] });
    const { status, body } = await node.post(at('a-3', '/abort'));
    expect([status, body.status, body.reason?.kind]).toEqual([200, 'aborting', 'requested']);
    release();
    const { body: settled } = await node.get(at('a-3', '?wait=settled'));
    expect([settled.status, settled.branches[0]?.state]).toEqual(['aborted', 'cancelled']);
  });
});

describe('the deadline', () => {
  test('aborts what was not submitted, cancels its branches, and a later submit is too late', async () => {
    await open('d-1', { deadlineMs: 100, branches: [account] });
    const { status, body } = await node.get(at('d-1', '?wait=settled'));
    expect([status, body.status, body.reason?.kind]).toEqual([200, 'aborted', 'deadline']);
    expect(Date.parse(body.decidedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(body.deadlineAt ?? ''));
    expect(callsOf('d-1')).toEqual(['cancel a']);
    const late = await node.send('POST', at('d-1', '/submit'));
    expect([late.status, late.body.code]).toEqual([409, 'TERCET_TRANSACTION_DECIDED']);
  });

  test('changes nothing after a submit that came first', async () => {
    const release = node.hold('confirm');
    await open('d-2', { deadlineMs: 500, branches: [account] });
    await node.post(at('d-2', '/submit'));
    // Beyond the deadline.
    const { body } = await node.get(at('d-2', '?wait=settled&waitMs=600'));
    expect([body.status, body.decision]).toEqual(['committing', 'commit']);
    release();
    expect((await node.get(at('d-2', '?wait=settled'))).body.status).toBe('committed');
  });
});

describe('long poll', () => {
  test('is answered when what it waits for has come', async () => {
    await open('l-1', { branches: [account] });
    const release = node.hold('confirm');
    const decided = node.get(at('l-1', '?wait=decided'));
    const settled = node.get(at('l-1', '?wait=settled'));
    await node.post(at('l-1', '/submit'));
    const first = await decided;
    expect([first.status, first.body.status]).toEqual([200, 'committing']);
    release();
    const second = await settled;
    expect([second.status, second.body.status]).toEqual([200, 'committed']);
  });

  test.each(['', '?wait=accepted', '?waitMs=60000', '?wait=settled&waitMs=0', '?wait=settled&waitMs=20'])(
    'GET%s of an open transaction: 200 with what is known',
    async (query) => {
      const gid = `l-${query.replace(/\W/g, '-')}`;
      await open(gid);
      const { status, body } = await node.get(at(gid, query));
      expect([status, body.status]).toEqual([200, 'open']);
    },
  );

  test('a transaction that gets parked ends it', async () => {
    await node.component('account', { retry: { baseMs: 1, maxAttempts: 1 } });
    await open('l-parked', { branches: [account] });
    node.participant.answer = json({}, 500);
    const poll = node.get(at('l-parked', '?wait=settled'));
    await node.post(at('l-parked', '/submit'), { wait: 'accepted' });
    const { status, body } = await poll;
    expect([status, body.parked?.op]).toEqual([200, 'confirm']);
  });
});

async function untilThere(gid: string): Promise<void> {
  while ((await node.get(at(gid))).status !== 200) await new Promise((resolve) => setImmediate(resolve));
}
