/** `saga(…).step(…)`: what goes out for a definition and an input, and what is refused before anything goes out. */
import { saga, sagaComponent, TercetClient } from '../../src/client/index.js';
import { json, Service } from '../participants/service.js';
import { compilerSays } from '../support/compiler.js';
import { committed } from './coordinator.js';

interface Reply {
  orderId: string;
  lines: { sku: string }[];
  'a/b~c': { '': number; '~1': number };
}
const order = sagaComponent<{ customer: string }, Reply>('orders');
const payment = sagaComponent<{ orderId: string; cents: number }, { paymentId: string }>('payment');
const anything = sagaComponent('anything');

const placeOrder = saga<{ customer: string; cents: number }>('place-order')
  .step('order', order, ({ input }) => ({ customer: input.customer }))
  .step('payment', payment, ({ input, reply }) => ({ orderId: reply.order.orderId, cents: input.cents }), {
    pivot: true,
    timeoutMs: 500,
  })
  .step('parcel', anything, ({ reply }) => reply.payment, { compensate: false });
const input = { customer: 'alice', cents: 300 };

test('the types hold: what is wrong does not compile, and what is right does', async () => {
  expect(await compilerSays('test/client/saga-types.ts')).toBe('');
});

describe('the request', () => {
  test('has a branch for each step in order, its payload made of the input, replies by reference, as plain JSON', () => {
    const request = placeOrder.request(input);
    expect(JSON.parse(JSON.stringify(request))).toEqual(request);
    expect(request).toEqual({
      mode: 'saga',
      branches: [
        { branchId: 'order', component: 'orders', payload: { customer: 'alice' } },
        {
          branchId: 'payment',
          component: 'payment',
          payload: { orderId: { $reply: 'order#/orderId' }, cents: 300 },
          pivot: true,
          timeoutMs: 500,
        },
        { branchId: 'parcel', component: 'anything', payload: { $reply: 'payment' }, compensate: false },
      ],
    });
  });

  test('names a field or an item of a reply by its JSON pointer, whatever the field is called', () => {
    const { branches } = saga<null>('pointers')
      .step('order', order, () => ({ customer: 'a' }))
      .step('all', anything, ({ reply }) => [
        reply.order,
        reply.order.lines[12]?.sku,
        reply.order['a/b~c'],
        reply.order['a/b~c'][''],
        reply.order['a/b~c']['~1'],
      ])
      .request(null);
    expect(branches[1]?.payload).toEqual([
      { $reply: 'order' },
      { $reply: 'order#/lines/12/sku' },
      { $reply: 'order#/a~1b~0c' },
      { $reply: 'order#/a~1b~0c/' },
      { $reply: 'order#/a~1b~0c/~01' },
    ]);
  });

  test('says of every branch what it comes after as soon as one step does; others come after the one before', () => {
    const { branches } = saga<null>('graph')
      .step('order', anything, () => null)
      .step('payment', anything, () => null)
      .step('stock', anything, () => null, { after: ['order'] })
      .step('parcel', anything, ({ reply }) => Object.keys(reply), { after: ['payment', 'stock'] })
      .step('mail', anything, ({ reply }) => Object.keys(reply))
      .step('log', anything, ({ reply }) => Object.keys(reply), { after: [] })
      .request(null);
    expect(branches.map(({ branchId, after }) => [branchId, after])).toEqual([
      ['order', []],
      ['payment', ['order']],
      ['stock', ['order']],
      ['parcel', ['payment', 'stock']],
      ['mail', ['parcel']],
      ['log', []],
    ]);
    // A step sees those that are certainly done, and no other.
    const seen = branches.map(({ payload }) => (payload as string[] | null)?.sort() ?? null);
    expect(seen.slice(3)).toEqual([['order', 'payment', 'stock'], ['order', 'parcel', 'payment', 'stock'], []]);
  });

  test('carries the options of the definition, and those of the run before them', () => {
    const definition = saga<null>('options', { recovery: 'forward', parallel: 2 }).step('a', anything, () => null);
    expect(definition.request(null, { gid: 'g', businessKey: 'k', deadlineMs: 5, parallel: 3 })).toEqual({
      mode: 'saga',
      gid: 'g',
      businessKey: 'k',
      deadlineMs: 5,
      recovery: 'forward',
      parallel: 3,
      branches: [{ branchId: 'a', component: 'anything', payload: null }],
    });
  });

  test('of one definition does not depend on another that was made of it', () => {
    const first = saga<null>('first').step('a', anything, () => 1);
    first.step('b', anything, () => 2, { after: ['a'] });
    expect(first.request(null).branches).toEqual([{ branchId: 'a', component: 'anything', payload: 1 }]);
  });
});

describe('what cannot work is refused before anything is sent, with the saga and the step', () => {
  const started = saga<unknown>('bad').step('order', order, () => ({ customer: 'a' }));
  const made = (payload: (context: { input: unknown; reply: { order: Reply } }) => unknown, given?: unknown) =>
    started.step('next', anything, payload as () => unknown).request(given);

  test.each<[string, Parameters<typeof made>[0], string]>([
    [
      'a reference in a text',
      ({ reply }) => `order ${reply.order.orderId}`,
      "'order#/orderId' cannot be computed with",
    ],
    ['a sum with a reference', ({ reply }) => 1 + Number(reply.order.orderId), "'order#/orderId' cannot be computed"],
    ['a copy of a reference', ({ reply }) => ({ ...reply.order }), "'order' cannot be taken apart or copied"],
    ['NaN', () => ({ cents: NaN }), "saga 'bad', step 'next': the payload holds NaN"],
  ])('%s', (_name, payload, message) => {
    expect(() => made(payload)).toThrow(message);
  });

  test('data of a customer that has the form of a reference', () => {
    const given = { note: [{ $reply: 'order#/orderId' }] };
    const message = "saga 'bad', step 'next': the payload holds data with the field $reply";
    expect(() => made((context) => context.input, given)).toThrow(message);
    expect(() => made((context) => ({ a: context.reply.order, b: context.input }), given)).toThrow(message);
  });

  const untyped = started as unknown as {
    step(name: string, component: unknown, payload: () => null, options?: object): unknown;
  };
  test.each<[string, () => unknown, string]>([
    [
      'a name that is taken',
      () => untyped.step('order', order, () => null),
      "saga 'bad', step 'order': there is a step of this name already",
    ],
    [
      'a name that is none',
      () => untyped.step('a b', order, () => null),
      "saga 'bad', step 'a b': a name has 1 to 128",
    ],
    [
      'a step after one that is not before it',
      () => untyped.step('next', order, () => null, { after: ['order', 'next'] }),
      "saga 'bad', step 'next': it comes after 'next', which is no step before it",
    ],
    ['a saga without a name', () => saga(''), 'the name of a saga has 1 to 91 characters'],
    [
      'a saga whose name is too long for a gid',
      () => saga('x'.repeat(92)),
      'the name of a saga has 1 to 91 characters',
    ],
  ])('%s', (_name, act, message) => {
    expect(act).toThrow(message);
  });
});

describe('a run', () => {
  let coordinator: Service;
  let client: TercetClient;
  beforeEach(async () => {
    coordinator = await Service.start();
    client = new TercetClient({ url: coordinator.url, retry: { attempts: 1 } });
  });
  afterEach(() => coordinator.stop());

  const branch = (branchId: string, reply: unknown) => ({
    branchId,
    component: 'c',
    state: 'done',
    attempts: 1,
    reply,
  });

  test('begins what the request says, and gives the transaction with the replies by step', async () => {
    const transaction = {
      ...committed,
      mode: 'saga',
      branches: [branch('order', { orderId: '17' }), branch('payment', null), branch('stranger', 1)],
    };
    coordinator.answer = json(transaction, 201);
    const options = { gid: 'order-17', recovery: 'forward', wait: 'settled', waitMs: 5 } as const;
    const run = await placeOrder.run(client, input, options);
    expect(JSON.parse(coordinator.asked[0]!.text)).toEqual(placeOrder.request(input, options));
    expect(run).toEqual({ transaction, replies: { order: { orderId: '17' } } });
    expect(placeOrder.replies(run.transaction)).toEqual(run.replies);
  });

  test('without a gid gets one that begins with the name of the saga, each time another', async () => {
    coordinator.answer = json(committed, 201);
    await placeOrder.run(client, input);
    await placeOrder.run(client, input);
    const gids = coordinator.asked.map(({ text }) => (JSON.parse(text) as { gid: string }).gid);
    expect(gids[0]).toMatch(/^place-order-[0-9a-f]{8}-[0-9a-f-]{27}$/);
    expect(gids[1]).not.toBe(gids[0]);
  });

  test('ends with the reason of the signal', async () => {
    const reason = new Error('nobody waits any more');
    const running = placeOrder.run(client, input, { signal: AbortSignal.abort(reason) });
    await expect(running).rejects.toBe(reason);
    expect(coordinator.asked).toEqual([]);
  });
});
