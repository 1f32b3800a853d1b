/** What a person on call does: docs/wire.md, section 6. */
import type { BulkView, TimelineView, TransactionView } from '../../src/protocol/words.js';
import { json } from '../participants/service.js';
import { begin, TestNode } from './node.js';

let node: TestNode;
/** Components whose confirms and cancels fail. */
let broken: Set<string>;

beforeAll(async () => {
  node = await TestNode.start({ TERCET_NODE: 'node-1' });
  for (const name of ['account', 'stock']) {
    await node.component(name, { retry: { baseMs: 3_600_000, capMs: 3_600_000, maxAttempts: 2 } });
  }
});

afterAll(() => node.stop());

beforeEach(() => {
  broken = new Set();
  node.participant.answer = (response, asked) => {
    const isBroken = asked.call.op !== 'try' && broken.has(asked.call.component);
    json(isBroken ? {} : { held: 300 }, isBroken ? 500 : 200)(response, asked);
  };
});

const at = (gid: string, rest = ''): string => `/v1/transactions/${gid}${rest}`;
const settled = async (gid: string): Promise<TransactionView> => (await node.get(at(gid, '?wait=settled'))).body;
const told = async (gid: string): Promise<string[]> => {
  const { body } = await node.get<TimelineView>(at(gid, '/timeline'));
  return body.events.map(({ kind, branchId, op, detail }) => [kind, branchId, op, detail].filter(Boolean).join(' '));
};
const ofComponent = (component: string) => ({ branchId: component, component, payload: null });

/** Committed, and each broken component's confirm failed once: it waits an hour for its next attempt. */
async function stuck(gid: string, ...components: string[]): Promise<void> {
  await node.post('/v1/transactions', begin({ gid, branches: components.map(ofComponent) }));
  const failed = async (): Promise<boolean> => (await told(gid)).some((line) => line.includes('answered 500'));
  while (!(await failed())) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** As `stuck`, and given up after its second attempt. */
async function parked(gid: string, ...components: string[]): Promise<void> {
  await stuck(gid, ...components);
  await node.post(at(gid, '/retry'), { reason: 'until it parks' });
  expect((await settled(gid)).parked).toMatchObject({ op: 'confirm' });
}

test('retry calls at once what waits for its next attempt', async () => {
  broken.add('account');
  await stuck('r-1', 'account', 'stock');
  broken.clear();
  expect(await node.post(at('r-1', '/retry'), { reason: 'disk replaced' })).toMatchObject({ status: 200 });
  expect(await settled('r-1')).toMatchObject({ status: 'committed', branches: [{ attempts: 2 }, { attempts: 1 }] });
  expect(await told('r-1')).toContain('operator retry by operator: disk replaced');
});

test('retry of a parked one lets it go on', async () => {
  broken.add('account');
  await parked('r-2', 'account');
  broken.clear();
  expect((await node.post(at('r-2', '/retry'), { reason: 'repaired' })).body.parked).toBeNull();
  expect((await settled('r-2')).status).toBe('committed');
});

test('park stops the calls of one that is not done, and resume lets them go on', async () => {
  broken.add('account');
  await stuck('p-1', 'account');
  const { status, body } = await node.post(at('p-1', '/park'), { reason: 'the bank looks into it' });
  expect([status, body.status, body.parked]).toEqual([
    200,
    'committing',
    { at: expect.any(String) as string, branchId: null, op: null, why: 'parked by operator: the bank looks into it' },
  ]);
  const { body: list } = await node.get<{ transactions: TransactionView[] }>('/v1/transactions?parked=true');
  expect(list.transactions.map(({ gid }) => gid)).toContain('p-1');
  // Once more says nothing new.
  const before = await node.recorded();
  expect((await node.post(at('p-1', '/park'), { reason: 'again' })).body.parked).toEqual(body.parked);
  expect(await node.recorded()).toEqual(before);

  broken.clear();
  expect((await node.post(at('p-1', '/resume'), { reason: 'settled' })).body.parked).toBeNull();
  await node.post(at('p-1', '/retry'), { reason: 'now' });
  expect((await settled('p-1')).status).toBe('committed');
});

test('an open one that is parked is aborted by its deadline, and cancelled when it is resumed', async () => {
  await node.post('/v1/transactions', { mode: 'tcc', gid: 'p-2', drive: 'initiator', deadlineMs: 600 });
  await node.post(at('p-2', '/branches'), ofComponent('stock'));
  await node.post(at('p-2', '/park'), { reason: 'wait' });
  const asked = node.participant.asked.length;
  const decided = async (): Promise<string> => (await node.get(at('p-2'))).body.status;
  while ((await decided()) === 'open') await new Promise((resolve) => setTimeout(resolve, 20));
  expect((await node.get(at('p-2'))).body).toMatchObject({ status: 'aborting', reason: { kind: 'deadline' } });
  expect(node.participant.asked).toHaveLength(asked);
  await node.post(at('p-2', '/resume'), { reason: 'go on' });
  expect((await settled('p-2')).status).toBe('aborted');
});

test('force takes a parked branch as done, says who did so, and lets the transaction end', async () => {
  broken.add('account');
  await parked('f-1', 'account', 'stock');
  const { status, body } = await node.post(at('f-1', '/branches/account/force'), { reason: 'booked by hand' });
  expect([status, body.branches[0]?.state]).toEqual([200, 'forced']);
  expect(await settled('f-1')).toMatchObject({
    status: 'committed',
    parked: null,
    branches: [{ state: 'forced' }, { state: 'confirmed' }],
  });
  expect((await told('f-1')).slice(-2)).toEqual([
    'operator account force by operator: booked by hand',
    'ended committed',
  ]);
  // Whoever did not hear the answer asks again.
  expect((await node.post(at('f-1', '/branches/account/force'), { reason: 'again' })).status).toBe(200);
});

test('an operator aborts an open transaction with a reason, which is recorded with who it was', async () => {
  await node.post('/v1/transactions', { mode: 'tcc', gid: 'a-1', drive: 'initiator', deadlineMs: 3_600_000 });
  const { status, body } = await node.post(at('a-1', '/abort'), { reason: 'customer called', by: 'operator' });
  expect([status, body.reason]).toEqual([200, { kind: 'operator', detail: 'customer called' }]);
  await settled('a-1');
  expect(await told('a-1')).toEqual([
    'begun',
    'operator abort by operator: customer called',
    'decided abort: operator, customer called',
    'ended aborted',
  ]);
});

describe('what cannot be done is refused, and changes nothing', () => {
  beforeAll(async () => {
    node.participant.answer = json({});
    await node.post('/v1/transactions', begin({ gid: 'ended', wait: 'settled' }));
    await node.post('/v1/transactions', { mode: 'tcc', gid: 'open', drive: 'initiator', deadlineMs: 3_600_000 });
    await node.post(at('open', '/branches'), ofComponent('account'));
  });

  test.each<[string, string, unknown, number, string]>([
    ['retry after the end', '/v1/transactions/ended/retry', { reason: 'x' }, 409, 'TERCET_TRANSACTION_STATE'],
    ['park after the end', '/v1/transactions/ended/park', { reason: 'x' }, 409, 'TERCET_TRANSACTION_STATE'],
    ['retry of none', '/v1/transactions/none/retry', { reason: 'x' }, 404, 'TERCET_TRANSACTION_UNKNOWN'],
    ['park without a reason', '/v1/transactions/open/park', {}, 400, 'TERCET_REQUEST_INVALID'],
    [
      'retry with an unknown field',
      '/v1/transactions/open/retry',
      { reason: 'x', now: true },
      400,
      'TERCET_REQUEST_INVALID',
    ],
    [
      'force of one that is not decided',
      '/v1/transactions/open/branches/account/force',
      { reason: 'x' },
      409,
      'TERCET_TRANSACTION_STATE',
    ],
    [
      'force of one that is done',
      '/v1/transactions/ended/branches/a/force',
      { reason: 'x' },
      409,
      'TERCET_TRANSACTION_STATE',
    ],
    ['force of no branch', '/v1/transactions/open/branches/none/force', { reason: 'x' }, 404, 'TERCET_BRANCH_UNKNOWN'],
    [
      'force in no transaction',
      '/v1/transactions/none/branches/a/force',
      { reason: 'x' },
      404,
      'TERCET_TRANSACTION_UNKNOWN',
    ],
    ['force without a reason', '/v1/transactions/ended/branches/a/force', {}, 400, 'TERCET_REQUEST_INVALID'],
    [
      'an abort by an operator who does not say why',
      '/v1/transactions/open/abort',
      { by: 'operator' },
      400,
      'TERCET_REQUEST_INVALID',
    ],
    ['bulk for everything', '/v1/bulk', { action: 'park', filter: {}, reason: 'x' }, 400, 'TERCET_REQUEST_INVALID'],
    ['bulk without a filter', '/v1/bulk', { action: 'park', reason: 'x' }, 400, 'TERCET_REQUEST_INVALID'],
    ['bulk without a reason', '/v1/bulk', { action: 'park', filter: { mode: 'tcc' } }, 400, 'TERCET_REQUEST_INVALID'],
    [
      'bulk of what has ended',
      '/v1/bulk',
      { action: 'retry', filter: { status: 'committed' }, reason: 'x' },
      400,
      'TERCET_REQUEST_INVALID',
    ],
    [
      'bulk abort of the decided',
      '/v1/bulk',
      { action: 'abort', filter: { status: 'committing' }, reason: 'x' },
      400,
      'TERCET_REQUEST_INVALID',
    ],
    [
      'bulk resume of what is not parked',
      '/v1/bulk',
      { action: 'resume', filter: { parked: false }, reason: 'x' },
      400,
      'TERCET_REQUEST_INVALID',
    ],
    [
      'bulk force',
      '/v1/bulk',
      { action: 'force', filter: { mode: 'tcc' }, reason: 'x' },
      400,
      'TERCET_REQUEST_INVALID',
    ],
    [
      'bulk over the limit',
      '/v1/bulk',
      { action: 'park', filter: { mode: 'tcc' }, reason: 'x', limit: 10_001 },
      400,
      'TERCET_REQUEST_INVALID',
    ],
  ])('%s', async (_name, path, body, status, code) => {
    const before = await node.recorded();
    expect((await node.send('POST', path, body)).body).toMatchObject({ status, code });
    expect(await node.recorded()).toEqual(before);
  });
});

describe('in bulk', () => {
  const bulk = async (body: object): Promise<BulkView> => {
    const answer = await node.post<BulkView>('/v1/bulk', { reason: 'all of them', ...body });
    expect(answer.status).toBe(200);
    return answer.body;
  };

  test('a dry run counts and changes nothing, the real one does what it counted, and both say so', async () => {
    broken.add('stock');
    const gids = ['b-1', 'b-2', 'b-3'];
    for (const gid of gids) await stuck(gid, 'stock');
    const order = { action: 'retry', filter: { component: 'stock', status: 'committing' } };
    const before = await node.recorded();
    const expected = { action: 'retry', dryRun: true, matched: 3, more: false, done: 0, failed: [] };
    expect(await bulk({ ...order, dryRun: true })).toEqual(expected);
    expect(await bulk({ ...order, dryRun: true, limit: 2 })).toEqual({ ...expected, matched: 2, more: true });
    expect(await node.recorded()).toEqual(before);
    broken.clear();
    expect(await bulk(order)).toEqual({ ...expected, dryRun: false, done: 3 });
    for (const gid of gids) {
      expect((await settled(gid)).status).toBe('committed');
      expect(await told(gid)).toContain('operator retry by operator: all of them');
    }
  });

  test('resume takes the parked ones alone, abort the open ones alone', async () => {
    broken.add('account');
    await parked('b-4', 'account');
    for (const gid of ['b-5', 'b-6']) {
      const body = { mode: 'tcc', gid, drive: 'initiator', deadlineMs: 3_600_000, businessKey: 'bulk' };
      await node.post('/v1/transactions', body);
    }
    broken.clear();
    expect(await bulk({ action: 'resume', filter: { mode: 'tcc' } })).toMatchObject({ matched: 1, done: 1 });
    expect((await settled('b-4')).status).toBe('committed');
    expect(await bulk({ action: 'abort', filter: { businessKey: 'bulk' } })).toMatchObject({ matched: 2, done: 2 });
    expect((await settled('b-6')).reason).toEqual({ kind: 'operator', detail: 'all of them' });
  });

  test('what somebody holds is named, and all the others are done', async () => {
    // The node goes by the clock of the database, as it last measured it.
    const filter = { from: new Date(Date.now() - 60_000).toISOString(), businessKey: 'held' };
    const gids = Array.from({ length: 20 }, (_, index) => `held-${index}`);
    for (const gid of gids) {
      const begin = { mode: 'tcc', gid, drive: 'initiator', deadlineMs: 3_600_000, businessKey: 'held' };
      await node.post('/v1/transactions', begin);
    }
    const release = await node.lock('held-7');
    const answer = await bulk({ action: 'park', filter });
    await release();
    expect(answer).toMatchObject({ matched: 20, done: 19, failed: [{ gid: 'held-7', code: 'TERCET_NOT_READY' }] });
    expect(await bulk({ action: 'abort', filter })).toMatchObject({ done: 20, failed: [] });
  });

  test('finds more than one page, and no more than the limit', async () => {
    const from = new Date().toISOString();
    const gids = Array.from({ length: 520 }, (_, index) => `many-${index}`);
    for (let start = 0; start < gids.length; start += 40) {
      const some = gids.slice(start, start + 40);
      await Promise.all(
        some.map((gid) =>
          node.post('/v1/transactions', { mode: 'tcc', gid, drive: 'initiator', deadlineMs: 3_600_000 }),
        ),
      );
    }
    const order = { action: 'abort', filter: { from } };
    expect(await bulk({ ...order, dryRun: true })).toMatchObject({ matched: 520, more: false });
    expect(await bulk({ ...order, limit: 510 })).toMatchObject({ matched: 510, more: true, done: 510 });
    expect(await bulk(order)).toMatchObject({ matched: 10, more: false, done: 10 });
  });
});
