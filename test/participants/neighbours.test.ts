/** A bad neighbour stays alone (G10): concurrency and circuit breaker of each component. */
import type { Outcome } from '../../src/domain/transaction.js';
import type { CallRequest, Component, Instance } from '../../src/engine/ports.js';
import { AllowList } from '../../src/participants/allow-list.js';
import { HttpParticipants } from '../../src/participants/http.js';
import { PoolSender } from '../../src/participants/sender.js';
import { ManualClock } from './manual-clock.js';
import { component, request } from './request.js';
import { json, raw, Service } from './service.js';

let clock: ManualClock;
let participants: HttpParticipants;
let service: Service;
/** Lets the oldest unanswered call have its answer. */
let answerOne: () => void;
let dead: Component;

beforeEach(async () => {
  clock = new ManualClock();
  participants = new HttpParticipants(new PoolSender(new AllowList('127.0.0.0/8'), clock), clock);
  service = await Service.start();
  const gone = await Service.start();
  await gone.stop();
  dead = component(gone.url, { name: 'dead' });
});

afterEach(async () => {
  await participants.close();
  await service.stop();
});

const call = (to: Component, over: Partial<CallRequest> = {}): Promise<Outcome> => participants.call(request(to, over));

function hold(): void {
  const held: (() => void)[] = [];
  service.answer = (response, asked) => held.push(() => json({})(response, asked));
  answerOne = () => held.shift()?.();
}

/** Everything that can happen by itself has happened. */
async function allIsQuiet(): Promise<void> {
  const probe = await Service.start();
  await call(component(probe.url, { name: `probe-${probe.port}` }));
  await probe.stop();
}

describe('concurrency', () => {
  test('at most so many calls of a component are under way; the others follow one by one, in their order', async () => {
    hold();
    const narrow = component(service.url, { concurrency: 2 });
    const calls = ['1', '2', '3', '4'].map((branchId) =>
      participants.call(request(narrow, { branchOver: { branchId } })),
    );
    await service.wasAsked(2);
    await allIsQuiet();
    expect(service.asked).toHaveLength(2);
    answerOne();
    await service.wasAsked(3);
    await allIsQuiet();
    expect(service.asked.slice(2).map((asked) => asked.call.branchId)).toEqual(['3']);
    answerOne();
    await service.wasAsked(4);
    answerOne();
    answerOne();
    expect((await Promise.all(calls)).map(({ kind }) => kind)).toEqual(['done', 'done', 'done', 'done']);
  });

  test('a raised limit lets those in line go on at once', async () => {
    hold();
    const calls = [1, 2, 3].map(() => call(component(service.url, { concurrency: 1 })));
    await service.wasAsked(1);
    calls.push(call(component(service.url, { concurrency: 4 })));
    await service.wasAsked(4);
    for (const _each of calls) answerOne();
    await Promise.all(calls);
  });

  test('the time that a call may take begins when it leaves, not when it gets in line', async () => {
    hold();
    const narrow = component(service.url, { concurrency: 1, timeoutMs: 3000 });
    const first = call(narrow);
    const second = call(narrow);
    await service.wasAsked(1);
    clock.pass(2000);
    answerOne();
    expect(await first).toMatchObject({ kind: 'done' });
    await service.wasAsked(2);
    clock.pass(2000);
    answerOne();
    expect(await second).toMatchObject({ kind: 'done' });
  });

  test('a call whose right to leave ends while it is in line is not sent', async () => {
    hold();
    const narrow = component(service.url, { concurrency: 1 });
    let mayLeave = true;
    const first = call(narrow);
    const second = call(narrow, { mayLeave: () => mayLeave });
    await service.wasAsked(1);
    mayLeave = false;
    answerOne();
    expect(await first).toMatchObject({ kind: 'done' });
    expect(await second).toMatchObject({ kind: 'postponed' });
    expect(service.asked).toHaveLength(1);
  });

  test('a call that is stopped while it is in line is not sent, and gives its place to the next', async () => {
    hold();
    const narrow = component(service.url, { concurrency: 1 });
    let isStopped = false;
    const first = call(narrow);
    const second = call(narrow, { mayLeave: () => !isStopped });
    const third = call(narrow);
    await service.wasAsked(1);
    isStopped = true;
    answerOne();
    expect(await first).toMatchObject({ kind: 'done' });
    expect(await second).toMatchObject({ kind: 'postponed' });
    await service.wasAsked(2);
    answerOne();
    expect(await third).toMatchObject({ kind: 'done' });
    expect(service.asked).toHaveLength(2);
  });

  test('a branch that gives a service less time than it has keeps nobody else from calling it', async () => {
    hold();
    const plan = { after: [], compensate: true, pivot: false, timeoutMs: 1 };
    const hasty = Array.from({ length: 10 }, () =>
      participants.call(request(component(service.url), { branchOver: { plan } })),
    );
    await service.wasAsked(10);
    clock.pass(1);
    for (const outcome of await Promise.all(hasty)) expect(outcome.kind).toBe('unknown');
    service.answer = json({});
    expect(await call(component(service.url))).toMatchObject({ kind: 'done' });
  });

  test('a service that hangs holds up nobody else, even with every place taken', async () => {
    hold();
    const slow = component(service.url, { name: 'slow', concurrency: 3 });
    const stuck = [1, 2, 3, 4, 5].map(() => call(slow));
    await service.wasAsked(3);
    const other = await Service.start(json({ quick: true }));
    expect(await call(component(other.url, { name: 'quick' }))).toEqual({ kind: 'done', reply: '{"quick":true}' });
    await other.stop();
    for (let round = 0; round < 2; round += 1) {
      clock.pass(3000);
      await allIsQuiet();
    }
    await Promise.all(stuck);
  });
});

test('an operation that the component lacks now is unknown, in words, and nobody is blamed for it', async () => {
  const { try: tried } = component(service.url).targets;
  const cut = component(service.url, { targets: { try: tried! } });
  for (let count = 0; count < 20; count += 1) {
    const outcome = await call(cut, { op: 'confirm' });
    expect(outcome).toMatchObject({ kind: 'unknown', detail: "component 'account' has no URL for confirm now" });
  }
  service.answer = json({});
  expect((await call(cut)).kind).toBe('done');
});

describe('circuit breaker', () => {
  /** Calls until one is not sent; says how many were. */
  async function callUntilOpen(to: Component): Promise<number> {
    for (let count = 0; count < 50; count += 1) if ((await call(to)).kind === 'postponed') return count;
    throw new Error('the breaker did not open within 50 calls');
  }

  test('after five calls without an answer it opens: calls are postponed, which uses up no attempt', async () => {
    expect(await callUntilOpen(dead)).toBe(5);
    clock.pass(499);
    expect(await call(dead)).toMatchObject({ kind: 'postponed' });
  });

  test('it is the component that is left alone, not the others', async () => {
    await callUntilOpen(dead);
    expect(await call(component(service.url))).toMatchObject({ kind: 'done' });
  });

  test('when its time is over one call goes out as a probe; the others wait for what it finds', async () => {
    const account = component(service.url);
    service.answer = raw('', 503);
    await callUntilOpen(account);
    clock.pass(500);
    hold();
    const asked = service.asked.length;
    const probe = call(account);
    await service.wasAsked(asked + 1);
    expect(await call(account)).toMatchObject({ kind: 'postponed' });
    clock.pass(2000);
    expect(await call(account)).toMatchObject({ kind: 'postponed' });
    expect(service.asked).toHaveLength(asked + 1);
    answerOne();
    expect(await probe).toMatchObject({ kind: 'done' });
    service.answer = json({});
    expect((await call(account)).kind).toBe('done');
    service.answer = raw('', 503);
    expect(await callUntilOpen(account)).toBe(5);
  });

  test('a probe that fails doubles the time, up to fifteen seconds', async () => {
    await callUntilOpen(dead);
    clock.pass(500);
    for (const openMs of [1000, 2000, 4000, 8000, 15_000, 15_000]) {
      expect(await call(dead)).toMatchObject({ kind: 'unknown' });
      clock.pass(openMs - 1);
      expect(await call(dead)).toMatchObject({ kind: 'postponed' });
      clock.pass(1);
    }
  });

  test('a probe that may not leave gives its turn to the next call', async () => {
    await callUntilOpen(dead);
    clock.pass(500);
    expect(await call(dead, { mayLeave: () => false })).toMatchObject({ kind: 'postponed' });
    expect(await call(dead)).toMatchObject({ kind: 'unknown' });
  });

  test('calls that time out open it', async () => {
    const account = component(service.url);
    service.answer = () => {};
    const calls = [1, 2, 3, 4, 5].map(() => call(account));
    await service.wasAsked(5);
    clock.pass(3000);
    await Promise.all(calls);
    expect(await call(account)).toMatchObject({ kind: 'postponed' });
  });

  test.each([429, 502, 503, 504])('%d, said by who cannot work now, opens it', async (status) => {
    service.answer = raw('', status);
    expect(await callUntilOpen(component(service.url))).toBe(5);
  });

  test.each([
    ['refusals', json({ reason: 'no' }, 409), 'refused'],
    ['pending answers', raw('', 425), 'pending'],
    ['answers that only one payload deserves', raw('', 500), 'unknown'],
    ['answers that are not JSON', raw('ok'), 'unknown'],
  ])('%s, however many, do not open it: the service is there', async (_name, answer, kind) => {
    service.answer = answer;
    for (let count = 0; count < 20; count += 1) expect((await call(component(service.url))).kind).toBe(kind);
  });

  test('calls that this node cuts short say nothing about the service', async () => {
    const account = component(service.url);
    const cuts: (() => void)[] = [];
    const whenStopped = (cut: () => void): void => void cuts.push(cut);
    service.answer = () => {};
    const calls = Array.from({ length: 20 }, () => call(account, { whenStopped }));
    await service.wasAsked(20);
    for (const cut of cuts) cut();
    await Promise.all(calls);
    service.answer = json({});
    expect((await call(account)).kind).toBe('done');
  });

  test('calls that left before it opened and fail later do not keep it open for longer', async () => {
    const account = component(service.url);
    service.answer = () => {};
    const calls = Array.from({ length: 12 }, () => call(account));
    await service.wasAsked(12);
    clock.pass(3000);
    await Promise.all(calls);
    clock.pass(499);
    expect(await call(account)).toMatchObject({ kind: 'postponed' });
    clock.pass(1);
    service.answer = json({});
    expect(await call(account)).toMatchObject({ kind: 'done' });
  });

  describe('those that are postponed', () => {
    let woken: string[];

    beforeEach(() => {
      woken = [];
    });

    async function open(to: Component): Promise<void> {
      for (let count = 0; count < 5; count += 1) await call(to);
    }

    const wait = (to: Component, branchId: string, over: Partial<CallRequest> = {}): Promise<Outcome> =>
      participants.call(request(to, { branchOver: { branchId }, wake: () => woken.push(branchId), ...over }));

    test('sleep while it is open and while a probe is under way; one is woken to be the probe', async () => {
      const account = component(service.url);
      service.answer = raw('', 503);
      await open(account);
      for (const branchId of ['x', 'y', 'z']) await wait(account, branchId);
      clock.pass(499);
      expect(woken).toEqual([]);
      clock.pass(1);
      expect(woken).toEqual(['x']);
      hold();
      const asked = service.asked.length;
      const probe = wait(account, 'x');
      await service.wasAsked(asked + 1);
      for (let second = 0; second < 2; second += 1) clock.pass(1000);
      expect(woken).toEqual(['x']);
      answerOne();
      await probe;
      clock.pass(0);
      expect(woken).toEqual(['x', 'y', 'z']);
    });

    test('sleep on when a probe fails', async () => {
      await open(dead);
      await wait(dead, 'y');
      clock.pass(499);
      await wait(dead, 'z');
      clock.pass(1);
      expect(await wait(dead, 'y')).toMatchObject({ kind: 'unknown' });
      clock.pass(999);
      expect(woken).toEqual(['y']);
      clock.pass(1);
      expect(woken).toEqual(['y', 'z']);
    });

    test('are woken for a new instance', async () => {
      let live: Instance[] = [];
      const account = component(dead.targets.try!, { instances: () => live });
      await open(account);
      for (let times = 0; times < 6; times += 1) {
        clock.pass(15_000);
        await call(account);
      }
      await wait(account, 'x');
      live = [{ name: 'new', url: service.url, aliveUntil: Infinity }];
      clock.pass(1000);
      expect(woken).toEqual(['x']);
    });

    test('do not wait for what another operation is called at', async () => {
      const account = component(dead.targets.try!, { instances: (op) => (op === 'try' ? [] : live) });
      let live: Instance[] = [{ name: 'gone', url: dead.targets.try!, aliveUntil: Infinity }];
      await open(account);
      for (let count = 0; count < 5; count += 1) await call(account, { op: 'cancel' });
      await wait(account, 'tries');
      await wait(account, 'cancels', { op: 'cancel' });
      live = [{ name: 'new', url: service.url, aliveUntil: Infinity }];
      clock.pass(499);
      expect(woken).toEqual([]);
      clock.pass(1);
      expect(woken.toSorted()).toEqual(['cancels', 'tries']);
    });

    test('are not woken again once they have been called', async () => {
      const account = component(service.url);
      service.answer = raw('', 503);
      await open(account);
      await wait(account, 'x');
      clock.freeze(500);
      service.answer = json({});
      expect((await wait(account, 'x')).kind).toBe('done');
      clock.pass(1000);
      expect(woken).toEqual([]);
    });

    test('keep no timer when this node closes', async () => {
      await open(dead);
      await wait(dead, 'x');
      expect(clock.pending).toBe(1);
      await participants.close();
      expect(clock.pending).toBe(0);
    });
  });
});
