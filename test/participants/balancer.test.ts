/** Which instance a call goes to, decided on the calls that went out and on nothing else. */
import type { Instance } from '../../src/engine/ports.js';
import { Balancer } from '../../src/participants/balancer.js';
import type { Choice } from '../../src/participants/balancer.js';
import { ManualClock } from './manual-clock.js';

const OK = { isAlive: true, hasLeft: true };
const SILENT = { isAlive: false, hasLeft: true };
const UNSENT = { isAlive: false, hasLeft: false };

let clock: ManualClock;
let balancer: Balancer;

beforeEach(() => {
  clock = new ManualClock();
  balancer = new Balancer(() => clock.monotonic());
});

const instance = (name: string, over: Partial<Instance> = {}): Instance => ({
  name,
  url: `http://${name}`,
  aliveUntil: Infinity,
  ...over,
});
const of = (...names: string[]): Instance[] => names.map((name) => instance(name));

function go(instances: readonly Instance[], avoided?: ReadonlySet<string>): Choice {
  const choice = balancer.choose(instances, avoided);
  if (typeof choice === 'number') throw new Error(`postponed for ${choice} ms`);
  return choice;
}

/** A whole call: where it went. */
function call(instances: readonly Instance[], result = OK, avoided?: ReadonlySet<string>): string | null {
  const choice = go(instances, avoided);
  balancer.leave(choice, result);
  return choice.instance?.name ?? null;
}

/** Takes one of two out: it cannot be reached. */
function take(name: string, instances: readonly Instance[]): void {
  const choices = instances.map(() => go(instances));
  for (const choice of choices) balancer.leave(choice, choice.instance?.name === name ? UNSENT : null);
}

const share = (names: (string | null)[]): Record<string, number> =>
  Object.fromEntries(['a', 'b', 'c'].map((name) => [name, names.filter((other) => other === name).length]));

test('one call after the other goes to each in turn', () => {
  const names = Array.from({ length: 9 }, () => call(of('a', 'b', 'c')));
  expect(share(names)).toEqual({ a: 3, b: 3, c: 3 });
  expect(new Set(names.slice(0, 3)).size).toBe(3);
});

test('calls under way are spread evenly, and who is slow gets no more than the others have', () => {
  const under = Array.from({ length: 9 }, () => go(of('a', 'b', 'c')));
  expect(share(under.map(({ instance: to }) => to?.name ?? null))).toEqual({ a: 3, b: 3, c: 3 });
  for (const choice of under) if (choice.instance?.name !== 'a') balancer.leave(choice, OK);
  const next = Array.from({ length: 6 }, () => go(of('a', 'b', 'c')));
  expect(share(next.map(({ instance: to }) => to?.name ?? null))).toEqual({ a: 0, b: 3, c: 3 });
});

test('without a live instance the call goes to the component itself', () => {
  expect(call([])).toBeNull();
  expect(call([instance('a', { aliveUntil: clock.monotonic() })])).toBeNull();
});

test('an instance is called until its lease is over, to the millisecond', () => {
  const instances = [instance('a', { aliveUntil: clock.monotonic() + 1000 })];
  clock.pass(999);
  expect(call(instances)).toBe('a');
  clock.pass(1);
  expect(call(instances)).toBeNull();
});

test('one that could not be sent to is left out at once, then probed by one call, and is back when that is answered', () => {
  take('a', of('a', 'b'));
  expect(Array.from({ length: 4 }, () => call(of('a', 'b')))).toEqual(['b', 'b', 'b', 'b']);
  clock.pass(500);
  const probe = go(of('a', 'b'));
  expect(probe.instance?.name).toBe('a');
  expect(call(of('a', 'b'))).toBe('b');
  balancer.leave(probe, OK);
  expect(share([1, 2, 3, 4].map(() => call(of('a', 'b'))))).toMatchObject({ a: 2, b: 2 });
});

test('one that does not answer is left out after five in a row, so that one bad payload takes nobody out', () => {
  let silent = 0;
  for (let count = 0; count < 40; count += 1) {
    const choice = go(of('a', 'b'));
    if (choice.instance?.name === 'a') silent += 1;
    balancer.leave(choice, choice.instance?.name === 'a' ? SILENT : OK);
  }
  expect(silent).toBe(5);
});

test('an only instance, and the component itself, have five failures of any kind', () => {
  for (const instances of [of('a'), []]) {
    for (let count = 0; count < 5; count += 1) call(instances, UNSENT);
    expect(balancer.choose(instances)).toBe(500);
  }
});

test('while all are open calls are postponed until the first may be probed', () => {
  take('a', of('a', 'b'));
  clock.pass(200);
  take('b', of('a', 'b'));
  expect(balancer.choose(of('a', 'b'))).toBe(300);
  clock.pass(300);
  expect(go(of('a', 'b')).instance?.name).toBe('a');
});

test('an avoided one is called only when no other can be, and is not probed by who avoids another', () => {
  const avoidA = new Set(['a']);
  expect(Array.from({ length: 4 }, () => call(of('a', 'b'), OK, avoidA))).toEqual(['b', 'b', 'b', 'b']);
  take('b', of('a', 'b'));
  expect(call(of('a', 'b'), OK, avoidA)).toBe('a');
  clock.pass(500);
  expect(call(of('a', 'b', 'c'), OK, avoidA)).toBe('c');
});

test('one that moved begins with a closed breaker', () => {
  take('a', of('a', 'b'));
  const moved = [instance('a', { url: 'http://elsewhere' }), instance('b')];
  expect(share([1, 2, 3, 4].map(() => call(moved)))).toMatchObject({ a: 2, b: 2 });
});

test('of instances that are gone nothing is kept', () => {
  take('a', of('a', 'b'));
  call(of('b', 'c'));
  call(of('b', 'c'));
  expect(balancer.observed('a')).toEqual({ inFlight: 0, failureRate: 0, breaker: 'closed' });
  expect(share([1, 2, 3, 4].map(() => call(of('a', 'b'))))).toMatchObject({ a: 2, b: 2 });
});

test('when all are gone for a minute nothing is kept; an operation with a URL of its own takes nobody out', () => {
  take('a', of('a', 'b'));
  call([]);
  expect(balancer.observed('a').breaker).toBe('open');
  clock.pass(60_001);
  call([]);
  expect(balancer.observed('a').breaker).toBe('closed');
});

test('a call that was not made counts for nothing', () => {
  balancer.leave(go(of('a')), null);
  expect(balancer.observed('a')).toEqual({ inFlight: 0, failureRate: 0, breaker: 'closed' });
});

test('what is observed: calls under way, the breaker, and the failures of the last minute', () => {
  const instances = of('a');
  const pending = go(instances);
  expect(balancer.observed('a')).toEqual({ inFlight: 1, failureRate: 0, breaker: 'closed' });
  balancer.leave(pending, SILENT);
  for (let count = 0; count < 3; count += 1) call(instances);
  expect(balancer.observed('a').failureRate).toBe(0.25);
  expect(balancer.observed(null).failureRate).toBe(0);
  clock.pass(40_000);
  call(instances);
  expect(balancer.observed('a').failureRate).toBe(0.2);
  clock.pass(30_000);
  expect(balancer.observed('a').failureRate).toBe(0);
  for (let count = 0; count < 5; count += 1) call(instances, SILENT);
  expect(balancer.observed('a').breaker).toBe('open');
  clock.pass(500);
  go(instances);
  expect(balancer.observed('a')).toMatchObject({ inFlight: 1, breaker: 'probing' });
});
