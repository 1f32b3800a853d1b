/** Branches that wait for what is left alone now: who is woken, how many at a time, and who is passed over. */
import type { CallRequest } from '../../src/engine/ports.js';
import { Waiters } from '../../src/participants/waiters.js';
import { ManualClock } from './manual-clock.js';
import { request } from './request.js';

const ADDRESS = 'http://service.test';

let clock: ManualClock;
let waiters: Waiters;
/** As the breaker says. */
let waitMs: number | null;
let looks: number;
let woken: string[];

beforeEach(() => {
  clock = new ManualClock();
  waitMs = 500;
  looks = 0;
  woken = [];
  waiters = new Waiters(() => {
    looks += 1;
    return waitMs;
  }, clock);
});

const waiter = (branchId: string, over: Partial<CallRequest> = {}): CallRequest =>
  request(ADDRESS, { branchOver: { branchId }, wake: () => void woken.push(branchId), ...over });

function join(count: number): number[] {
  return Array.from({ length: count }, (_, index) => {
    const outcome = waiters.join(waiter(`b${index}`), 500);
    return outcome.kind === 'postponed' ? outcome.retryAfterMs : NaN;
  });
}

test('however many wait, one look a second is made for all of them', () => {
  join(10_000);
  waitMs = 15_000;
  clock.pass(500);
  for (let second = 0; second < 20; second += 1) clock.pass(1000);
  expect(looks).toBe(21);
  expect(woken).toEqual([]);
  expect(clock.pending).toBe(1);
});

test('one is woken to probe; if it called nobody the next one is a second later', () => {
  join(3);
  waitMs = 0;
  clock.pass(500);
  expect(woken).toEqual(['b0']);
  clock.pass(999);
  expect(woken).toEqual(['b0']);
  clock.pass(1);
  expect(woken).toEqual(['b0', 'b1']);
});

test('when any may call they are woken so many at a time, not all in one turn of the event loop', () => {
  join(200);
  waitMs = null;
  waiters.changed();
  expect(woken).toHaveLength(0);
  clock.pass(0);
  expect(woken).toHaveLength(64);
  clock.pass(10);
  expect(woken).toHaveLength(128);
  for (let times = 0; times < 2; times += 1) clock.pass(10);
  expect(woken).toEqual(Array.from({ length: 200 }, (_, index) => `b${index}`));
  expect(clock.pending).toBe(0);
});

test('when it opens again meanwhile the others sleep on', () => {
  join(200);
  waitMs = null;
  waiters.changed();
  clock.pass(0);
  waitMs = 500;
  for (let times = 0; times < 10; times += 1) clock.pass(10);
  expect(woken).toHaveLength(64);
});

test('those that may not call now, or never again, are sent off, and keep nobody from probing', () => {
  let isOver = false;
  const sentOff: string[] = [];
  for (let index = 0; index < 100; index += 1) {
    const wake = (): void => void sentOff.push(`old-${index}`);
    waiters.join(waiter(`old-${index}`, { mayLeave: () => !isOver, wake }), 500);
  }
  join(1);
  isOver = true;
  waitMs = 0;
  clock.pass(500);
  expect(sentOff).toHaveLength(64);
  clock.pass(10);
  expect(sentOff).toHaveLength(100);
  expect(woken).toEqual(['b0']);
  clock.pass(1000);
  expect(clock.pending).toBe(0);
});

test('a branch that asks again waits once, behind the others', () => {
  join(2);
  join(1);
  waitMs = null;
  clock.pass(500);
  expect(woken).toEqual(['b1', 'b0']);
});

test('what does not wait any more is not woken', () => {
  join(2);
  waiters.forget(waiter('b0'));
  waitMs = null;
  clock.pass(500);
  expect(woken).toEqual(['b1']);
});

test('each comes back by itself after half a minute to a minute, evenly spread', () => {
  const waits = join(100);
  for (const from of [30_000, 36_000, 42_000, 48_000, 54_000]) {
    const inside = waits.filter((ms) => ms >= from && ms < from + 6000).length;
    expect(inside).toBeGreaterThan(15);
  }
});
