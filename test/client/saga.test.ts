/** A saga the whole way: defined as code, run by a real coordinator, done by components of Nest on PostgreSQL. */
import { DataSource } from 'typeorm';
import { fence, saga, sagaComponent, TercetClient } from '../../src/client/index.js';
import { TestNode } from '../http/node.js';
import { Journal, startShop } from './shop.js';
import type { OrderReply, OrderRequest, Parcel, Payment, Receipt } from './shop.js';
import { until } from './until.js';
import type { WalletApp } from './wallet.js';

let node: TestNode;
let client: TercetClient;
let service: WalletApp;

beforeAll(async () => {
  node = await TestNode.start();
  client = new TercetClient({ url: node.url });
  service = await startShop({ url: node.url });
  await service.registered();
});
afterAll(async () => {
  await service.stop();
  await node.stop();
});

interface PlaceOrder {
  customer: string;
  amount: number;
  /** What the payment does. */
  then?: 'refuse' | 'go on';
}

const order = sagaComponent<OrderRequest, OrderReply>('order');
const payment = sagaComponent<Payment, Receipt>('payment');
const parcel = sagaComponent<Parcel, null>('parcel');

const paid = saga<PlaceOrder>('place-order')
  .step('order', order, ({ input: { customer } }) => ({ customer }))
  .step('payment', payment, ({ input: { amount, then }, reply }) => ({
    orderId: reply.order.orderId,
    amount,
    ...(then ? { then } : {}),
  }));
const placeOrder = paid.step(
  'parcel',
  parcel,
  ({ reply }) => ({ paymentId: reply.payment.paymentId, sku: reply.order.lines[1]!.sku }),
  { compensate: false },
);

const ran = (gid: string): string[] => service.app.get(Journal).of(gid);
const payloads = (gid: string): unknown[] =>
  service.app
    .get(Journal)
    .ran.filter(({ call }) => call.gid === gid)
    .map(({ call }) => call.payload);
const settled = { wait: 'settled' } as const;
const alice = { customer: 'alice', amount: 300 };

test('each step gets what the earlier ones answered, and the replies are told by step', async () => {
  const before = await service.money();
  const { transaction, replies } = await placeOrder.run(client, alice, { gid: 'done', businessKey: 'c-1', ...settled });
  expect(transaction).toMatchObject({ gid: 'done', mode: 'saga', status: 'committed', businessKey: 'c-1' });
  expect(ran('done')).toEqual(['order', 'payment', 'parcel']);
  expect(payloads('done')).toEqual([
    { customer: 'alice' },
    { orderId: 'order of alice', amount: 300 },
    { paymentId: 'payment of order of alice', sku: 'pen' },
  ]);
  expect(replies).toEqual({
    order: { orderId: 'order of alice', lines: [{ sku: 'book' }, { sku: 'pen' }] },
    payment: { paymentId: 'payment of order of alice' },
  });
  expect((await service.money()).balance).toBe(before.balance - 300);
});

test('run again with the same gid and input it is found, and nothing runs twice', async () => {
  const first = await placeOrder.run(client, alice, { gid: 'again', ...settled });
  expect(await placeOrder.run(client, alice, { gid: 'again', ...settled })).toEqual(first);
  expect(ran('again')).toEqual(['order', 'payment', 'parcel']);
  await expect(placeOrder.run(client, { ...alice, amount: 1 }, { gid: 'again' })).rejects.toMatchObject({
    code: 'TERCET_GID_CONFLICT',
  });
});

test('a refusal is an answer: abort with the reason; what was done is undone, and its replies are told', async () => {
  const before = await service.money();
  const refused = { ...alice, then: 'refuse' } as const;
  const { transaction, replies } = await placeOrder.run(client, refused, { gid: 'refused', ...settled });
  expect(transaction).toMatchObject({
    status: 'aborted',
    decision: 'abort',
    reason: { kind: 'refused', branchId: 'payment', detail: 'not enough money' },
    branches: [{ state: 'compensated' }, { state: 'compensated' }, { state: 'waiting' }],
  });
  // The payment was rolled back: its compensation has nothing to undo.
  expect(ran('refused')).toEqual(['order', 'payment', 'order undone']);
  expect(replies).toEqual({ order: expect.objectContaining({ orderId: 'order of alice' }) });
  expect(await service.money()).toEqual(before);
});

test('what was done before a later step refused is undone in reverse order, with its reply', async () => {
  const before = await service.money();
  const twice = paid.step('second', payment, ({ input }) => ({
    orderId: 'none',
    amount: input.amount,
    then: 'refuse',
  }));
  const { transaction } = await twice.run(client, alice, { gid: 'undone', ...settled });
  expect(transaction).toMatchObject({ decision: 'abort', reason: { branchId: 'second' } });
  expect(ran('undone')).toEqual(['order', 'payment', 'payment', 'payment undone', 'order undone']);
  const undone = service.app.get(Journal).ran.filter(({ call, what }) => call.gid === 'undone' && /undone/.test(what));
  expect(undone.map(({ call }) => call.reply)).toEqual([
    { paymentId: 'payment of order of alice' },
    expect.objectContaining({ orderId: 'order of alice' }),
  ]);
  expect(await service.money()).toEqual(before);
});

test('as a graph, with a pivot: what comes after it needs nothing to undo', async () => {
  const graph = saga<PlaceOrder>('graph')
    .step('order', order, ({ input: { customer } }) => ({ customer }))
    .step('left', payment, ({ reply }) => ({ orderId: reply.order.orderId, amount: 1 }))
    .step('right', payment, ({ reply }) => ({ orderId: reply.order.lines[0]!.sku, amount: 2 }), { after: ['order'] })
    .step('both', payment, ({ reply }) => ({ orderId: reply.right.paymentId, amount: 3 }), {
      after: ['left', 'right'],
      pivot: true,
    })
    .step('parcel', parcel, ({ reply }) => ({ paymentId: reply.both.paymentId, sku: reply.left.paymentId }));
  const { transaction, replies } = await graph.run(client, alice, settled);
  expect(transaction.gid).toMatch(/^graph-/);
  expect(transaction).toMatchObject({
    status: 'committed',
    branches: [{ after: [] }, { after: ['order'] }, { after: ['order'] }, { pivot: true }, { after: ['both'] }],
  });
  expect(replies.both).toEqual({ paymentId: 'payment of payment of book' });
});

test('long work is waited for, and the steps after it get the reply that ended it', async () => {
  const running = placeOrder.run(client, { ...alice, then: 'go on' }, { gid: 'long', ...settled });
  const pending = { gid: 'long', branchId: 'payment', op: 'action' } as const;
  await until('the action is pending', () =>
    service.app
      .get(DataSource)
      .transaction((manager) => fence.complete(manager, pending, { paymentId: 'at last' }))
      .then(
        () => true,
        () => false,
      ),
  );
  expect((await running).replies.payment).toEqual({ paymentId: 'at last' });
  expect(payloads('long').at(-1)).toEqual({ paymentId: 'at last', sku: 'pen' });
});

test('under forward recovery it is decided at once; the replies are in the transaction that ended', async () => {
  const forward = { gid: 'forward', recovery: 'forward' } as const;
  const { transaction } = await placeOrder.run(client, alice, forward);
  expect(transaction).toMatchObject({ decision: 'commit', recovery: 'forward' });
  const ended = await client.wait('forward');
  expect(ended.status).toBe('committed');
  expect(placeOrder.replies(ended).payment?.paymentId).toBe('payment of order of alice');
});

test('a reference to what the reply turns out to lack refuses the step, and it is not called', async () => {
  const lacking = saga<PlaceOrder>('lacking')
    .step('order', order, ({ input: { customer } }) => ({ customer }))
    .step('payment', payment, ({ reply }) => ({ orderId: reply.order.lines[7]!.sku, amount: 1 }));
  const { transaction } = await lacking.run(client, alice, { gid: 'lacking', ...settled });
  expect(transaction).toMatchObject({
    decision: 'abort',
    reason: { kind: 'refused', branchId: 'payment', detail: expect.stringContaining('order#/lines/7/sku') },
  });
  expect(ran('lacking')).toEqual(['order', 'order undone']);
});

test('a saga that would have to undo what its component cannot undo is refused at begin', async () => {
  const sending = saga<null>('sending').step('parcel', parcel, () => ({ paymentId: 'none', sku: 'pen' }));
  await expect(sending.run(client, null, { gid: 'sending' })).rejects.toMatchObject({
    code: 'TERCET_COMPONENT_LACKS_OPERATION',
    status: 422,
  });
  expect(ran('sending')).toEqual([]);
});

test('a graph that makes no sense is refused at begin, and each place is named', async () => {
  const tooLate = placeOrder.step('late', payment, () => ({ orderId: '17', amount: 1 }), { pivot: true });
  await expect(tooLate.run(client, alice, { recovery: 'forward' })).rejects.toMatchObject({
    code: 'TERCET_SAGA_INVALID',
    errors: [{ path: 'branches[3].pivot', message: expect.any(String) }],
  });
});

test('a begin as it is on the wire needs no builder', async () => {
  const begun = await client.begin({
    mode: 'saga',
    gid: 'by-hand',
    recovery: 'backward',
    parallel: 1,
    deadlineMs: 60_000,
    ...settled,
    branches: [
      { branchId: 'order', component: 'order', payload: { customer: 'bob' }, after: [], deadlineMs: 50_000 },
      {
        branchId: 'payment',
        component: 'payment',
        payload: { orderId: { $reply: 'order#/orderId' }, amount: 1 },
        after: ['order'],
        compensate: true,
        pivot: true,
        timeoutMs: 1000,
        retry: { tryAttempts: 1 },
        compensateRetry: { maxAttempts: 3 },
      },
    ],
  });
  expect(begun).toMatchObject({ status: 'committed', parallel: 1 });
  expect(payloads('by-hand')[1]).toEqual({ orderId: 'order of bob', amount: 1 });
});
