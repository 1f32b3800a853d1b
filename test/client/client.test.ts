/** The client against a real coordinator. */
import { TercetClient } from '../../src/client/index.js';
import type { TransactionView } from '../../src/client/index.js';
import { TestNode } from '../http/node.js';
import { json, raw, Service } from '../participants/service.js';
import { committed, inTurn, view } from './coordinator.js';

let node: TestNode;
let client: TercetClient;

beforeAll(async () => {
  node = await TestNode.start();
  client = new TercetClient({ url: node.url });
});
afterAll(() => node.stop());

beforeEach(async () => {
  node.participant.answer = json({ held: 300 });
  const url = `${node.participant.url}/account`;
  await client.putComponent('account', { url, retry: { baseMs: 1, capMs: 2, maxAttempts: 2 } });
});

const branches = [{ branchId: 'a', component: 'account', payload: { amount: 300 } }];

test('begin waits for the decision, and for the end when asked; beginning again gives the recorded one', async () => {
  const begun = await client.begin({ gid: 'order-1', businessKey: 'customer-1', branches });
  expect(begun).toMatchObject({ gid: 'order-1', decision: 'commit', businessKey: 'customer-1' });
  const again = await client.begin({ gid: 'order-1', businessKey: 'customer-1', branches, wait: 'settled' });
  expect(again).toMatchObject({ status: 'committed', branches: [{ state: 'confirmed', reply: { held: 300 } }] });
  expect(await client.get('order-1')).toEqual(again);
});

test('a refusal is an answer with the decision abort and the reason, not an error', async () => {
  node.participant.answer = (response, asked) =>
    (asked.call.op === 'try' ? json({ reason: 'not enough money' }, 409) : json(null))(response, asked);
  const { decision, reason } = await client.begin({ branches });
  expect({ decision, reason }).toEqual({
    decision: 'abort',
    reason: { kind: 'refused', branchId: 'a', detail: 'not enough money' },
  });
});

test('register gives the call, which is done by whoever sends it; submit confirms', async () => {
  await client.begin({ gid: 'order-2', drive: 'initiator' });
  const { call, ...branch } = await client.register('order-2', branches[0]!);
  expect(branch).toMatchObject({ gid: 'order-2', branchId: 'a', component: 'account' });
  const response = await fetch(call.url, { method: 'POST', headers: call.headers, body: call.body });
  expect(await response.json()).toEqual({ held: 300 });
  expect(await client.submit('order-2', { wait: 'settled' })).toMatchObject({ status: 'committed' });
  expect(await client.submit('order-2')).toMatchObject({ status: 'committed' });
});

test('abort cancels, and a submit that comes later is told so by its code', async () => {
  await client.begin({ gid: 'order-3', drive: 'initiator' });
  await client.register('order-3', branches[0]!);
  expect(await client.abort('order-3', { reason: 'changed my mind', wait: 'settled' })).toMatchObject({
    status: 'aborted',
    reason: { kind: 'requested', detail: 'changed my mind' },
  });
  await expect(client.submit('order-3')).rejects.toMatchObject({ code: 'TERCET_TRANSACTION_DECIDED', status: 409 });
});

test('what is parked is listed, waited for no longer, and goes on when resumed, with the reason in the timeline', async () => {
  node.participant.answer = (response, asked) =>
    (asked.call.op === 'confirm' ? raw('', 500) : json(null))(response, asked);
  await client.begin({ gid: 'order-4', branches });
  const parked = await client.wait('order-4');
  expect(parked).toMatchObject({ status: 'committing', parked: { branchId: 'a', op: 'confirm' } });
  expect((await client.list({ parked: true })).transactions).toEqual([parked]);
  node.participant.answer = json(null);
  await client.resume('order-4', 'the disk was full');
  expect(await client.wait('order-4')).toMatchObject({ status: 'committed', parked: null });
  await expect(client.resume('order-4', 'again')).rejects.toMatchObject({ code: 'TERCET_TRANSACTION_STATE' });
  const { gid, events } = await client.timeline('order-4');
  expect(gid).toBe('order-4');
  expect(events.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['begun', 'call', 'parked', 'operator']));
  expect(events.find(({ kind }) => kind === 'operator')?.detail).toContain('the disk was full');
});

test('a list goes from page to page, newest first', async () => {
  for (const gid of ['list-1', 'list-2', 'list-3']) {
    await client.begin({ gid, businessKey: 'lists', branches, wait: 'settled' });
  }
  const gids: string[] = [];
  for (let after: string | null = ''; after !== null;) {
    const page: { transactions: TransactionView[]; next: string | null } = await client.list({
      businessKey: 'lists',
      status: 'committed',
      mode: 'tcc',
      component: 'account',
      from: '2020-01-01T00:00:00Z',
      limit: 2,
      ...(after === '' ? {} : { after }),
    });
    gids.push(...page.transactions.map(({ gid }) => gid));
    after = page.next;
  }
  expect(gids).toEqual(['list-3', 'list-2', 'list-1']);
});

test('a component is what was put last', async () => {
  const put = await client.putComponent('stock', { url: 'http://127.0.0.1:9/stock', version: '1.2.3' });
  expect(put).toMatchObject({ name: 'stock', url: 'http://127.0.0.1:9/stock', version: '1.2.3' });
  expect(await client.getComponent('stock')).toEqual(put);
});

test('an instance is there while it beats, and gone when it has signed off', async () => {
  await client.putComponent('stock', { url: 'http://127.0.0.1:9/stock' });
  const put = await client.putInstance('stock', 'a', { url: 'http://127.0.0.1:10/stock', ttlMs: 60_000 });
  expect(put).toMatchObject({ instance: 'a', url: 'http://127.0.0.1:10/stock', ttlMs: 60_000, isAlive: true });
  expect((await client.getComponent('stock')).instances).toEqual([put]);
  expect(await client.deleteInstance('stock', 'a')).toBeUndefined();
  expect((await client.getComponent('stock')).instances).toEqual([]);
  await expect(client.deleteInstance('stock', 'a')).rejects.toMatchObject({ code: 'TERCET_INSTANCE_UNKNOWN' });
});

test('what does not exist, and what is wrong, are errors with a code and the fields', async () => {
  await expect(client.get('none')).rejects.toMatchObject({ code: 'TERCET_TRANSACTION_UNKNOWN', status: 404 });
  await expect(client.getComponent('none')).rejects.toMatchObject({ code: 'TERCET_COMPONENT_UNKNOWN' });
  await expect(client.begin({ branches: [{ branchId: 'a', component: 'none' }] })).rejects.toMatchObject({
    code: 'TERCET_COMPONENT_NOT_REGISTERED',
    status: 422,
  });
  await expect(client.begin({ gid: 'a b', branches })).rejects.toMatchObject({
    code: 'TERCET_REQUEST_INVALID',
    errors: [{ path: 'gid', message: expect.any(String) }],
  });
  await client.begin({ gid: 'order-5', branches });
  await expect(client.begin({ gid: 'order-5', branches: [{ ...branches[0]!, payload: 1 }] })).rejects.toMatchObject({
    code: 'TERCET_GID_CONFLICT',
  });
});

describe('wait', () => {
  let service: Service;
  let waiter: TercetClient;
  beforeEach(async () => {
    service = await Service.start();
    waiter = new TercetClient({ url: service.url, retry: { baseMs: 1, capMs: 2 } });
  });
  afterEach(() => service.stop());

  const queries = (): URLSearchParams[] =>
    service.asked.map(({ path }) => new URL(path, 'http://coordinator').searchParams);

  test('longer than one request may: it asks again, for what is left, until the end is there', async () => {
    service.answer = inTurn(json(view), json({ ...committed, endedAt: null }), json(committed));
    expect(await waiter.wait('order-17', { waitMs: 90_000 })).toEqual(committed);
    expect(queries().map((query) => query.get('wait'))).toEqual(['settled', 'settled', 'settled']);
    // No request asks for more than the coordinator allows.
    expect(queries().map((query) => query.get('waitMs'))).toEqual(['60000', '60000', '60000']);
  });

  test('for the decision only, when that is wanted', async () => {
    const decided = { ...committed, status: 'committing', endedAt: null };
    service.answer = inTurn(json(view), json(decided));
    expect(await waiter.wait('order-17', { until: 'decided' })).toEqual(decided);
    expect(queries().map((query) => query.get('wait'))).toEqual(['decided', 'decided']);
  });

  test('ends with what is known when the time is over', async () => {
    service.answer = json(view);
    expect(await waiter.wait('order-17', { waitMs: 150 })).toEqual(view);
    const asked = queries().map((query) => Number(query.get('waitMs')));
    expect(asked.length).toBeGreaterThan(1);
    expect(Math.max(...asked)).toBeLessThanOrEqual(150);
    expect([...asked].sort((a, b) => b - a)).toEqual(asked);
  });

  test('ends with the reason of the signal between two requests', async () => {
    service.answer = json(view);
    const over = new AbortController();
    const reason = new Error('nobody waits any more');
    const waiting = waiter.wait('order-17', { waitMs: 3_600_000, signal: over.signal });
    await service.wasAsked(2);
    over.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });

  test('goes on after a coordinator was away', async () => {
    service.answer = inTurn((response) => void response.destroy(), json(view), raw('', 503), json(committed));
    expect(await waiter.wait('order-17')).toEqual(committed);
  });
});
