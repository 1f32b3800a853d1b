/** A bad neighbour stays alone (G10): concurrency and circuit breaker of each component. */
import type { Outcome } from '../../src/domain/transaction.js';
import type { CallRequest, Component } from '../../src/engine/ports.js';
import { AllowList } from '../../src/participants/allow-list.js';
import { HttpParticipants } from '../../src/participants/http.js';
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
  participants = new HttpParticipants(new AllowList('127.0.0.0/8'), clock);
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

  test('the first to be postponed comes back as the probe, the others spread over as long again', async () => {
    const calls = Array.from({ length: 5 }, () => call(dead));
    await Promise.all(calls);
    const waits: number[] = [];
    for (let count = 0; count < 100; count += 1) {
      waits.push(((await call(dead)) as { retryAfterMs: number }).retryAfterMs);
    }
    expect(waits[0]).toBe(500);
    for (const from of [500, 600, 700, 800, 900]) {
      const inside = waits.filter((ms) => ms >= from && ms < from + 100).length;
      expect(inside).toBeGreaterThan(15);
    }
    expect(Math.max(...waits)).toBeLessThanOrEqual(1000);
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
    const { retryAfterMs } = (await call(account)) as { retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThanOrEqual(100);
    expect(retryAfterMs).toBeLessThanOrEqual(600);
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
    const waits: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      expect(await call(dead)).toMatchObject({ kind: 'unknown' });
      const postponed = (await call(dead)) as { retryAfterMs: number };
      waits.push(postponed.retryAfterMs);
      clock.pass(postponed.retryAfterMs);
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000]);
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
    let stop = (): void => undefined;
    const stopped = new Promise<void>((resolve) => {
      stop = resolve;
    });
    service.answer = () => {};
    const calls = Array.from({ length: 20 }, () => call(account, { stopped }));
    await service.wasAsked(20);
    stop();
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
    expect(await call(account)).toEqual({ kind: 'postponed', retryAfterMs: 500 });
  });
});
