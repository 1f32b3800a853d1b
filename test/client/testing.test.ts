/** The test kit: each fault really happens, and what is neither all nor nothing is found. */
import { jest } from '@jest/globals';
import { Pending, Refused, TercetError } from '../../src/client/index.js';
import { Action, Cancel, Compensate, Confirm, SagaComponent, TccComponent, Try } from '../../src/client/nest/index.js';
import type { SagaCall } from '../../src/client/nest/index.js';
import { decorated, testCoordinator } from '../../src/client/testing/index.js';
import type { TestCoordinator } from '../../src/client/testing/index.js';
import { placeOrder, purchase, request, Shop } from './memory-shop.js';

let shop: Shop;
let tercet: TestCoordinator<Shop['components']>;

beforeEach(() => {
  shop = new Shop();
  tercet = testCoordinator(shop);
});

/** The calls of one operation: who made it, whether the function ran, and what was heard. */
function callsOf(component: string, op: string): string[] {
  return tercet
    .calls()
    .filter((call) => call.component === component && call.op === op)
    .map(({ node, ran, outcome }) => `${node} ${ran ? 'ran' : 'did not run'} ${outcome ?? 'unheard'}`);
}

describe('undisturbed', () => {
  test('a saga of the builder takes effect, with the replies in its payloads', async () => {
    const { transaction, replies } = await placeOrder.run(
      tercet,
      { customer: 'alice', amount: 30 },
      { gid: 'order-1' },
    );
    expect(transaction).toMatchObject({ gid: 'order-1', status: 'committed', decision: 'commit' });
    expect(replies).toEqual({ order: { orderId: 'o-order-1' }, payment: { paid: 30 } });
    expect(shop.ran).toEqual(['order', 'payment', 'shipment']);
    expect(shop.parcels).toEqual(new Set(['o-order-1']));
    expect(tercet.calls()[1]).toMatchObject({
      op: 'action',
      payload: { orderId: 'o-order-1', amount: 30 },
      attempt: 1,
    });
    tercet.expectAllOrNothing();
  });

  test('a TCC takes effect, too', async () => {
    expect(await tercet.run(purchase)).toMatchObject({ status: 'committed' });
    expect(tercet.effects().map(({ ops, state }) => [...ops, state])).toEqual([
      ['try', 'confirm', 'stands'],
      ['try', 'confirm', 'stands'],
    ]);
    expect([shop.balance, shop.stock, shop.held]).toEqual([70, 4, { wallet: 0, stock: 0 }]);
    tercet.expectAllOrNothing();
  });

  test('what a component refuses by itself is undone, and the timeline tells of it', async () => {
    const tx = await tercet.run(placeOrder.request({ customer: 'bob', amount: 500 }));
    expect(tx).toMatchObject({ status: 'aborted', reason: { kind: 'refused', detail: 'not enough money' } });
    expect(shop.ran).toEqual(['order', 'payment', 'order undone']);
    const { events } = await tercet.timeline(tx.gid);
    expect(events.map(({ kind }) => kind)).toEqual(['begun', 'call', 'call', 'decided', 'call', 'call', 'ended']);
    tercet.expectAllOrNothing();
  });

  test('begin waits for the decision, or for nothing; advance and settle do the rest', async () => {
    const tx = await tercet.begin({ ...request, wait: 'accepted' });
    expect(tx).toMatchObject({ status: 'open', decision: null });
    expect(shop.ran).toEqual([]);
    await tercet.advance(1);
    expect(shop.ran).toEqual(['order']);
    await tercet.settle();
    expect(await tercet.get(request.gid!)).toMatchObject({ status: 'committed' });
  });

  test('an abort on the way undoes what was done', async () => {
    await tercet.begin({ ...request, wait: 'accepted' });
    await tercet.advance(2);
    const tx = await tercet.abort('order-17', { reason: 'changed my mind', wait: 'settled' });
    expect(tx).toMatchObject({ status: 'aborted', reason: { kind: 'requested', detail: 'changed my mind' } });
    expect(shop.ran).toContain('order undone');
    tercet.expectAllOrNothing();
  });

  test('a call that has not left when the transaction is aborted does not leave', async () => {
    await tercet.begin({ ...request, wait: 'accepted' });
    await tercet.abort('order-17', { wait: 'settled' });
    expect(shop.ran).toEqual([]);
    expect(callsOf('order', 'action')).toEqual([]);
    expect(callsOf('order', 'compensate')).toEqual(['node-1 did not run done']);
  });

  test('transactions side by side do not disturb each other', async () => {
    const ends = await Promise.all([tercet.run(request), tercet.run(purchase), tercet.run({ ...request, gid: 'b' })]);
    expect(ends.map(({ status }) => status)).toEqual(['committed', 'committed', 'committed']);
    expect(shop.balance).toBe(10);
    tercet.expectAllOrNothing();
  });
});

describe('a fault happens:', () => {
  test('a refusal, without the function being called', async () => {
    tercet.failAt('payment', 'action', { reason: 'no money' });
    expect(await tercet.run(request)).toMatchObject({
      status: 'aborted',
      reason: { kind: 'refused', branchId: 'payment', detail: 'no money' },
    });
    expect(shop.ran).toEqual(['order', 'order undone']);
    expect(callsOf('payment', 'action')).toEqual(['node-1 did not run refused']);
    tercet.expectAllOrNothing();
  });

  test('a failure, after which it is called again', async () => {
    tercet.failAt('payment', 'action', { error: 'the disk is full', times: 2 });
    expect(await tercet.run(request)).toMatchObject({ status: 'committed' });
    const lost = 'node-1 did not run unknown';
    expect(callsOf('payment', 'action')).toEqual([lost, lost, 'node-1 ran done']);
    expect(tercet.calls().find(({ outcome }) => outcome === 'unknown')?.detail).toBe('the disk is full');
  });

  test('a call that gets lost: the function runs when it is called again', async () => {
    tercet.timeoutAt('payment', 'action');
    const from = tercet.clock.now();
    expect(await tercet.run(request)).toMatchObject({ status: 'committed' });
    expect(callsOf('payment', 'action')).toEqual(['node-1 did not run unknown', 'node-1 ran done']);
    expect(tercet.clock.now() - from).toBeGreaterThan(3000);
  });

  test.each([
    ['the component', { retry: { baseMs: 1, jitter: 0 }, timeoutMs: 50 }, {}],
    ['the branch of the saga', { timeoutMs: 999 }, { timeoutMs: 50, retry: { baseMs: 1, jitter: 0 } }],
  ])('a timeout of as long as %s says', async (_who, ofComponent, ofBranch) => {
    const kit = testCoordinator({ components: { order: { ...shop.components.order, ...ofComponent } } });
    kit.timeoutAt('order', 'action');
    const from = kit.clock.now();
    await kit.run({ mode: 'saga', branches: [{ branchId: 'order', component: 'order', ...ofBranch }] });
    expect(kit.clock.now() - from).toBe(1 + 50 + 1 + 1);
  });

  test('an answer that gets lost: the function ran, and the repeated call is answered by the fence', async () => {
    tercet.timeoutAt('order', 'action', { takesEffect: true });
    expect(await tercet.run(request)).toMatchObject({
      status: 'committed',
      branches: [{ reply: { orderId: 'o-order-17' } }, {}, {}],
    });
    expect(callsOf('order', 'action')).toEqual(['node-1 ran unknown', 'node-1 did not run done']);
    expect(shop.ran).toEqual(['order', 'payment', 'shipment']);
  });

  test('an action that arrives after its compensation: neither of the functions runs', async () => {
    tercet.timeoutAt('payment', 'action', { takesEffect: 'late', times: 3 });
    expect(await tercet.run(request)).toMatchObject({ status: 'aborted', reason: { kind: 'unknown' } });
    expect(callsOf('payment', 'action')).toEqual([
      ...Array<string>(3).fill('node-1 did not run unknown'),
      ...Array<string>(3).fill('node-1 did not run unheard'),
    ]);
    expect(callsOf('payment', 'compensate')).toEqual(['node-1 did not run done']);
    expect(tercet.calls().at(-1)).toMatchObject({ op: 'action', detail: expect.stringContaining('late') });
    tercet.expectAllOrNothing();
  });

  test('a late call arrives when its own transaction is over, whatever else ends before', async () => {
    tercet.timeoutAt('wallet', 'try', { takesEffect: 'late', times: 3, branchId: 'late' });
    const branches = [{ branchId: 'late', component: 'wallet', payload: { amount: 1 } }];
    await tercet.begin({ gid: 'long', branches, wait: 'accepted' });
    await tercet.advance(1);
    await tercet.run(purchase);
    expect(callsOf('wallet', 'try')).toEqual(['node-1 did not run unheard', 'node-1 ran done']);
    await tercet.settle();
    expect(callsOf('wallet', 'cancel')).toEqual(['node-1 did not run done']);
    expect(callsOf('wallet', 'try')).toHaveLength(3 + 1 + 3);
  });

  test('a crash before the call leaves: the next coordinator makes it once the lease has run out', async () => {
    tercet.crashAt('payment', 'action', { when: 'before' });
    const from = tercet.clock.now();
    expect(await tercet.run(request)).toMatchObject({ status: 'committed' });
    expect(callsOf('payment', 'action')).toEqual(['node-1 did not run unheard', 'node-2 ran done']);
    expect(callsOf('shipment', 'action')).toEqual(['node-2 ran done']);
    expect(tercet.clock.now() - from).toBeGreaterThan(3000);
    tercet.expectAllOrNothing();
  });

  test('a crash after the answer: the function ran, the next coordinator hears it from the fence', async () => {
    tercet.crashAt('payment', 'action', { when: 'after', times: 2 });
    expect(await tercet.run(request)).toMatchObject({ status: 'committed' });
    expect(callsOf('payment', 'action')).toEqual([
      'node-1 ran unheard',
      'node-2 did not run unheard',
      'node-3 did not run done',
    ]);
    expect(shop.balance).toBe(70);
  });

  test('a crash takes along what was answered side by side and is not durable', async () => {
    tercet.crashAt('stock', 'try', { when: 'after' });
    expect(await tercet.run(purchase)).toMatchObject({ status: 'committed' });
    expect(callsOf('wallet', 'try')).toEqual(['node-1 ran done', 'node-2 did not run done']);
    expect(callsOf('stock', 'try')).toEqual(['node-1 ran unheard', 'node-2 did not run done']);
  });

  test('a crash while it compensates', async () => {
    tercet.failAt('shipment', 'action').crashAt('payment', 'compensate', { when: 'after' });
    expect(await tercet.run(request)).toMatchObject({ status: 'aborted' });
    expect(callsOf('payment', 'compensate')).toEqual(['node-1 ran unheard', 'node-2 did not run done']);
    expect(shop.ran).toEqual(['order', 'payment', 'payment undone', 'order undone']);
    tercet.expectAllOrNothing();
  });

  test('a crash while it confirms: the fence lets the confirm happen once', async () => {
    tercet.crashAt('wallet', 'confirm', { when: 'after' });
    expect(await tercet.run(purchase)).toMatchObject({ status: 'committed' });
    expect(shop.ran).toEqual(['try', 'confirm']);
    expect(shop.balance).toBe(70);
  });

  test('only at the branch that it names, and several in their order', async () => {
    const branches = ['a', 'b'].map((branchId) => ({ branchId, component: 'wallet', payload: { amount: 1 } }));
    tercet.timeoutAt('wallet', 'try', { branchId: 'b' }).failAt('wallet', 'try', { branchId: 'b', reason: 'no' });
    expect(await tercet.run({ branches })).toMatchObject({
      status: 'aborted',
      reason: { branchId: 'b', detail: 'no' },
    });
    expect(
      tercet.calls().map(({ branchId, op, attempt, outcome }) => `${branchId} ${op} ${attempt} ${outcome}`),
    ).toEqual(['a try 1 done', 'b try 1 unknown', 'b try 2 refused', 'a cancel 1 done', 'b cancel 1 done']);
  });
});

describe('expectAllOrNothing finds', () => {
  const said = (): string => {
    try {
      tercet.expectAllOrNothing();
    } catch (error) {
      return (error as Error).message;
    }
    return 'nothing';
  };

  test('a compensation that forgets, by what it left and whose it is', async () => {
    shop.components.payment.compensate = async () => undefined;
    tercet.failAt('shipment', 'action');
    await tercet.run(request);
    expect(said()).toContain(
      'state.balance is 70, should be 100: action of payment made it 70, and its compensate left it so',
    );
    expect(said()).toMatch(/action payment #1 {2}done; took effect; state.balance 100 → 70/);
    expect(said()).toContain('compensate payment #1  done; took effect\n');
  });

  test('a cancel that gives back too much', async () => {
    shop.components.wallet.cancel = ({ payload: { amount } }) => void (shop.held.wallet -= 2 * amount);
    tercet.failAt('stock', 'try');
    await tercet.run(purchase);
    expect(said()).toContain('state.held.wallet is -30, should be 0: try of wallet made it 30, then cancel of wallet');
  });

  test('a compensation that never works: the rollback is incomplete, until it is repaired', async () => {
    const { compensate } = shop.components.payment;
    shop.components.payment.compensate = () => Promise.reject(new Error('not today'));
    tercet.failAt('shipment', 'action');
    const tx = await tercet.run(request);
    expect(tx.parked).toMatchObject({
      branchId: 'payment',
      op: 'compensate',
      why: expect.stringContaining('not today'),
    });
    expect(said()).toContain("'order-17' is aborting, parked at payment: rollback incomplete: ");
    // Of twenty-five calls that are alike the first and the last are told.
    expect(said()).toMatch(/compensate payment #1 .*\n.* … *\n.*compensate payment #25 /);

    shop.components.payment.compensate = compensate;
    await tercet.resume('order-17', 'repaired');
    await tercet.settle();
    expect(said()).toBe('nothing');
  });

  test('a branch that was forced', async () => {
    tercet.failAt('wallet', 'confirm', { times: 25 });
    expect(await tercet.run(purchase)).toMatchObject({ parked: { branchId: 'wallet' } });
    await tercet.force('purchase-17', 'wallet', 'settled by hand');
    await tercet.settle();
    expect(said()).toContain("branch 'wallet' (wallet) of 'purchase-17', which is committed, was forced");
  });

  test('a fault that never happened', async () => {
    tercet.crashAt('shipment', 'compensate', { when: 'before' });
    await tercet.run(request);
    expect(said()).toContain(
      'a crash before the call leaves was planned for compensate of shipment: it was never called',
    );
  });

  test('what is under way', async () => {
    await tercet.begin({ ...request, wait: 'accepted' });
    expect(said()).toContain("'order-17' is open, and has not ended");
  });

  test.each<[string, (gid: string) => Promise<unknown>]>([
    ['run', (gid) => tercet.run({ ...request, gid })],
    ['begin', (gid) => tercet.begin({ ...request, gid, wait: 'settled' })],
    [
      'abort',
      async (gid) => {
        await tercet.begin({ ...request, gid, wait: 'accepted' });
        await tercet.advance(1);
        await tercet.abort(gid, { wait: 'settled' });
      },
    ],
    [
      'advance',
      async (gid) => {
        await tercet.begin({ ...request, gid, wait: 'accepted' });
        await tercet.advance(60_000);
      },
    ],
  ])('what one of several left behind after %s, though the test itself changes the world then', async (how, end) => {
    shop.components.order.compensate = () => undefined;
    if (how !== 'abort') tercet.failAt('payment', 'action');
    await end('first');
    shop.orders.clear();
    shop.balance = 1000;
    await tercet.run({ ...request, gid: 'second' });
    expect(said()).toContain('state.orders.o-first is there, should be nothing');
    expect(said()).not.toContain('balance is');
  });
});

describe('the functions', () => {
  test('may take real time: virtual time stands still meanwhile', async () => {
    const { action } = shop.components.payment;
    shop.components.payment.action = async (call) => {
      await new Promise((done) => setTimeout(done, 20));
      return action(call);
    };
    const from = tercet.clock.now();
    expect(await tercet.run(request)).toMatchObject({ status: 'committed' });
    expect(tercet.clock.now() - from).toBe(3);
  });

  test('run one at a time, whatever is called side by side: what each of them changed is known', async () => {
    const slow = (name: 'wallet' | 'stock') => async (): Promise<void> => {
      const before = shop.held[name];
      await new Promise((done) => setTimeout(done, 5));
      shop.held[name] = before + 1;
    };
    const { wallet, stock } = shop.components;
    const components = { wallet: { ...wallet, try: slow('wallet') }, stock: { ...stock, try: slow('stock') } };
    const kit = testCoordinator({ components, state: shop.state });
    await kit.run(purchase);
    const changed = kit.calls().map(({ component, op, changes }) => `${op} ${component}: ${changes[0]?.path}`);
    expect(changed.slice(0, 2)).toEqual(['try wallet: state.held.wallet', 'try stock: state.held.stock']);
  });

  test('may run under fake timers', async () => {
    jest.useFakeTimers();
    try {
      tercet.timeoutAt('payment', 'action');
      expect(await tercet.run(request)).toMatchObject({ status: 'committed' });
    } finally {
      jest.useRealTimers();
    }
  });

  test('may answer pending, and end the work later', async () => {
    const { action } = shop.components.payment;
    shop.components.payment.action = async () => new Pending(500) as never;
    await tercet.begin({ ...request, wait: 'accepted' });
    await tercet.advance(10_000);
    expect(callsOf('payment', 'action').slice(0, 2)).toEqual(['node-1 ran pending', 'node-1 did not run pending']);
    const branch = { gid: 'order-17', branchId: 'payment', op: 'action' } as const;
    shop.components.payment.action = action;
    tercet.complete(branch, { paid: 30 });
    expect(() => tercet.complete(branch)).toThrow('is pending');
    await tercet.settle();
    expect(await tercet.get('order-17')).toMatchObject({
      status: 'committed',
      branches: [{}, { reply: { paid: 30 } }, {}],
    });
  });

  test('may change what they are given: it is theirs', async () => {
    shop.components.order.action = ({ payload }) => {
      payload.amount = 0;
      return { orderId: 'o' };
    };
    await tercet.run(request);
    expect(tercet.calls()[0]?.payload).toEqual({ customer: 'alice', amount: 30 });
  });

  test('that fail three times abort, with what they threw', async () => {
    shop.components.payment.action = () => Promise.reject(new Error('no connection'));
    expect(await tercet.run(request)).toMatchObject({
      status: 'aborted',
      reason: { kind: 'unknown', detail: 'action failed 3 times, the last time: 500: Error: no connection' },
    });
  });

  test('may be the decorated methods of providers', async () => {
    @SagaComponent('payment')
    class Payments {
      balance = 100;
      @Action()
      pay({ payload, manager }: SagaCall<{ amount: number }>) {
        if (payload.amount > this.balance) throw new Refused('not enough money');
        this.balance -= payload.amount;
        return { by: manager as unknown };
      }
      @Compensate()
      giveBack({ payload }: SagaCall<{ amount: number }>) {
        this.balance += payload.amount;
      }
    }
    @TccComponent('hold')
    class Holds {
      @Try() try() {}
      @Confirm() confirm() {}
      @Cancel() cancel() {}
    }
    const payments = new Payments();
    const components = { payment: decorated(payments, { manager: 'mine' }), hold: decorated(new Holds()) };
    const kit = testCoordinator({ components, state: () => payments });
    const branches = [{ branchId: 'p', component: 'payment', payload: { amount: 30 } }];
    expect(await kit.run({ mode: 'saga', branches })).toMatchObject({ branches: [{ reply: { by: 'mine' } }] });
    expect(payments.balance).toBe(70);
    kit.failAt('hold', 'try');
    const hold = { branchId: 'h', component: 'hold' };
    expect(await kit.run({ branches: [hold] })).toMatchObject({ status: 'aborted' });
    kit.expectAllOrNothing();
  });
});

describe('what makes no sense is said:', () => {
  test('a begin that the coordinator refuses, with the error of the client', async () => {
    const refused = (asked: Parameters<typeof tercet.begin>[0]) => tercet.run(asked).catch((error: unknown) => error);
    const unknown = await refused({ branches: [{ branchId: 'a', component: 'nobody' }] });
    expect(unknown).toBeInstanceOf(TercetError);
    expect(unknown).toMatchObject({ code: 'TERCET_COMPONENT_NOT_REGISTERED', status: 422 });
    const cycle = [{ branchId: 'a', component: 'order', after: ['a'] }];
    expect(await refused({ mode: 'saga', branches: cycle })).toMatchObject({ code: 'TERCET_SAGA_INVALID' });
    const twice = { branchId: 'a', component: 'wallet' };
    expect(await refused({ branches: [twice, twice] })).toMatchObject({ code: 'TERCET_REQUEST_INVALID' });
    expect(await refused({ branches: [] })).toMatchObject({ code: 'TERCET_REQUEST_INVALID' });
    const mixed = [
      { branchId: 'a', component: 'order', after: [] },
      { branchId: 'b', component: 'order' },
    ];
    expect(await refused({ mode: 'saga', branches: mixed })).toMatchObject({ code: 'TERCET_REQUEST_INVALID' });
    expect(await refused({ drive: 'initiator' })).toMatchObject({ code: 'TERCET_REQUEST_INVALID' });
    expect(await refused({ drive: 'initiator', branches: [twice] })).toBeInstanceOf(TypeError);
    expect(shop.ran).toEqual([]);
  });

  test('the same gid with other content; with the same it is the recorded one', async () => {
    await tercet.run(request);
    expect(await tercet.run(request)).toMatchObject({ status: 'committed' });
    expect(shop.ran).toEqual(['order', 'payment', 'shipment']);
    await expect(tercet.run({ ...request, businessKey: 'another' })).rejects.toMatchObject({
      code: 'TERCET_GID_CONFLICT',
    });
    await expect(tercet.get('nobody')).rejects.toMatchObject({ code: 'TERCET_TRANSACTION_UNKNOWN' });
  });

  test('what is no component, and a state that fails', async () => {
    expect(() => testCoordinator({ components: { order: {} } })).toThrow("component 'order' has no operation");
    const misspelt = { action: () => null, compensat: () => null };
    expect(() => testCoordinator({ components: { order: misspelt } })).toThrow("'compensat' is none of");
    expect(() => testCoordinator({ components: { 'no name': { action: () => null } } })).toThrow('no name');
    const circle: { self?: unknown } = {};
    circle.self = circle;
    const kit = testCoordinator({ components: shop.components, state: () => circle });
    await expect(kit.run(request)).rejects.toThrow('levels deep');
    expect(() => tercet.failAt('order', 'action', { times: 0 })).toThrow(RangeError);
  });

  test('an operation that a component does not have, to the compiler', () => {
    tercet.failAt('wallet', 'try');
    // @ts-expect-error it is a component of TCC
    tercet.failAt('wallet', 'action');
    // @ts-expect-error there is no such component
    tercet.failAt('walet', 'try');
    // @ts-expect-error a crash has its moment
    tercet.crashAt('wallet', 'try', {});
    // @ts-expect-error a function of a component gets a call
    testCoordinator({ components: { order: { action: (call: string) => call } } });
    expect(tercet.problems()).toHaveLength(4);
  });
});
