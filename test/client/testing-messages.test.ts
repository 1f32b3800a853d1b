/** The test kit with messages: half ones, their checks, deliveries to components and to topics. */
import { Pending, Refused } from '../../src/client/index.js';
import type { MessageBeginRequest } from '../../src/client/index.js';
import { everyCrash, testCoordinator } from '../../src/client/testing/index.js';
import type { TestCall } from '../../src/client/testing/index.js';

interface Mail {
  to: string;
}

/** A shop that sends, and a post that gets. */
function world(paid: 'paid' | 'not paid' | 'open' = 'paid') {
  const state = { mails: [] as string[], points: 0 };
  const local = { is: paid };
  const components = {
    order: {
      check: () => {
        if (local.is === 'not paid') throw new Refused('not paid');
        return local.is === 'open' ? new Pending() : null;
      },
    },
    mail: { deliver: ({ payload: { to } }: TestCall<Mail>) => void state.mails.push(to) },
    points: { deliver: () => void (state.points += 10) },
  };
  return { components, state: () => state, local };
}

const request = (over: Partial<MessageBeginRequest> = {}): MessageBeginRequest => ({
  mode: 'message',
  gid: 'order-17',
  check: { component: 'order' },
  deliveries: [
    { branchId: 'mail', component: 'mail', payload: { to: 'alice' } },
    { branchId: 'points', component: 'points' },
    { branchId: 'paid', topic: 'order-paid', key: 'alice', headers: { 'x-shop': 'lamp' }, payload: { amount: 3 } },
  ],
  ...over,
});

test('a message that is begun is delivered to nobody before it is submitted', async () => {
  const { components, state } = world('open');
  const tercet = testCoordinator({ components, state });
  expect(await tercet.begin(request())).toMatchObject({ status: 'open', decision: null });
  await tercet.advance(60_000);
  expect([state(), tercet.queued()]).toEqual([{ mails: [], points: 0 }, []]);
  expect(await tercet.submit('order-17')).toMatchObject({ decision: 'commit' });
  await tercet.settle();
  expect(state()).toEqual({ mails: ['alice'], points: 10 });
  expect(tercet.queued()).toEqual([
    {
      gid: 'order-17',
      branchId: 'paid',
      topic: 'order-paid',
      key: 'alice',
      headers: { 'x-shop': 'lamp' },
      payload: { amount: 3 },
    },
  ]);
  tercet.expectAllOrNothing();
});

test('one that is aborted is delivered to nobody', async () => {
  const { components, state } = world();
  const tercet = testCoordinator({ components, state });
  await tercet.begin(request());
  expect(await tercet.abort('order-17', { reason: 'sold out' })).toMatchObject({ status: 'aborted' });
  expect([state(), tercet.queued(), tercet.calls()]).toEqual([{ mails: [], points: 0 }, [], []]);
  tercet.expectAllOrNothing();
});

test.each([
  ['paid', 'committed', ['alice']],
  ['not paid', 'aborted', []],
] as const)(
  'nobody says what became of it: it is checked after 6 s, and what is %s is %s',
  async (is, status, mails) => {
    const { components, state } = world(is);
    const tercet = testCoordinator({ components, state });
    expect(await tercet.run(request())).toMatchObject({ status });
    const [check] = tercet.calls();
    expect([check?.op, check?.atMs]).toEqual(['check', expect.closeTo(6000, -1)]);
    expect(state().mails).toEqual(mails);
    tercet.expectAllOrNothing();
  },
);

test('a check that does not know yet is asked again, and the message may say itself when', async () => {
  const { components, state, local } = world('open');
  const tercet = testCoordinator({ components, state });
  await tercet.begin(request({ check: { component: 'order', afterMs: 100, intervalMs: 200 } }));
  await tercet.advance(150);
  local.is = 'paid';
  await tercet.settle();
  expect(await tercet.get('order-17')).toMatchObject({ status: 'committed' });
  expect(tercet.calls().filter(({ op }) => op === 'check').length).toBeGreaterThan(1);
});

test('a producer that never answers: the message is parked, checked again when it is resumed, and delivered', async () => {
  const { components, state } = world();
  const tercet = testCoordinator({ components, state });
  tercet.failAt('order', 'check', { error: 'away', times: 15 });
  expect(await tercet.run(request())).toMatchObject({ status: 'open', parked: { op: 'check' } });
  await tercet.resume('order-17', 'it is back');
  await tercet.settle();
  expect(state()).toEqual({ mails: ['alice'], points: 10 });
});

test('an operator may submit what is parked, too', async () => {
  const { components, state } = world('not paid');
  const tercet = testCoordinator({ components, state });
  tercet.failAt('order', 'check', { error: 'away', times: 15 });
  await tercet.run(request());
  await tercet.submit('order-17', { by: 'operator', reason: 'the bank says so' });
  await tercet.settle();
  expect(state().mails).toEqual(['alice']);
});

test('deliverAt puts the deliveries off', async () => {
  const { components, state } = world();
  const tercet = testCoordinator({ components, state });
  await tercet.begin(request({ deliverAt: new Date(tercet.clock.now() + 3_600_000) }));
  await tercet.submit('order-17');
  await tercet.advance(3_500_000);
  expect([state().mails, tercet.queued()]).toEqual([[], []]);
  await tercet.advance(200_000);
  expect([state().mails, tercet.queued().length]).toEqual([['alice'], 1]);
});

test('a delivery whose answers get lost takes effect once', async () => {
  const { components, state } = world();
  const tercet = testCoordinator({ components, state });
  tercet.timeoutAt('mail', 'deliver', { takesEffect: true, times: 3 }).crashAt('points', 'deliver', { when: 'after' });
  expect(await tercet.run(request())).toMatchObject({ status: 'committed' });
  expect(state()).toEqual({ mails: ['alice'], points: 10 });
  tercet.expectAllOrNothing();
});

test.each<[string, Partial<MessageBeginRequest>, RegExp]>([
  ['no delivery', { deliveries: [] }, /deliveries: must have at least one/],
  [
    'a delivery that is called as the check',
    { deliveries: [{ branchId: 'check', topic: 't' }] },
    /must not be 'check'/,
  ],
  [
    'two of one name',
    { deliveries: [1, 2].map((n) => ({ branchId: 'a', topic: `t${n}` })) },
    /deliveries\[1\]\.branchId: must be unique/,
  ],
  ['a component that cannot be asked', { check: { component: 'mail' } }, /lacks|check/],
  ['a time that is none', { deliverAt: 'soon' }, /deliverAt: must be a time/],
])('what a coordinator would refuse is refused: %s', async (_name, over, why) => {
  await expect(testCoordinator(world()).begin(request(over))).rejects.toThrow(why);
});

test('whatever goes wrong with each check and each delivery, it is all or nothing', async () => {
  const report = await everyCrash(() => ({ ...world(), request: request() }));
  // Three calls, and five things that can go wrong with each.
  expect(report).toEqual({ cases: 15, committed: 14, aborted: 1, leftOut: 0 });
});
