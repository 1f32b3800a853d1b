/** So many calls a second, in their order; a new pace counts for those who wait, too. */
import { Pace } from '../../src/participants/pace.js';
import { Rate } from '../../src/platform/rate.js';
import { ManualClock } from './manual-clock.js';

let clock: ManualClock;
let left: number[];
/** Calls that are of the past by now. */
let past: Set<number>;

beforeEach(() => {
  clock = new ManualClock();
  left = [];
  past = new Set();
});

async function enter(pace: Pace, ...calls: number[]): Promise<void> {
  for (const call of calls) {
    const turn = pace.enter({ mayLeave: () => !past.has(call) });
    if (turn) void turn.then(() => left.push(call));
    else left.push(call);
  }
  await quiet();
}

/** Whoever was let go on has done so. */
const quiet = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function pass(ms: number): Promise<number[]> {
  clock.pass(ms);
  await quiet();
  return left;
}

test('one after the other, as many a second as may be, in their order', async () => {
  await enter(new Pace(10, clock), 1, 2, 3, 4);
  expect(left).toEqual([1]);
  expect(await pass(99)).toEqual([1]);
  expect(await pass(1)).toEqual([1, 2]);
  for (let step = 0; step < 2; step += 1) await pass(100);
  expect(left).toEqual([1, 2, 3, 4]);
  expect(clock.pending).toBe(0);
});

test('who waits goes on by the new pace at once', async () => {
  const pace = new Pace(0.1, clock);
  await enter(pace, 1, 2, 3);
  pace.adjust(1);
  await quiet();
  expect(left).toEqual([1, 2]);
  pace.adjust(null);
  await quiet();
  expect(left).toEqual([1, 2, 3]);
  await enter(pace, 4, 5);
  expect([left, clock.pending]).toEqual([[1, 2, 3, 4, 5], 0]);
});

test('what may not leave any more holds up nobody behind it', async () => {
  const pace = new Pace(1, clock);
  await enter(pace, 1, 2, 3, 4, 5);
  past = new Set([2, 3, 4]);
  expect(await pass(1000)).toEqual([1, 2, 3, 4, 5]);
  await enter(pace, 4, 6);
  expect(left.slice(5)).toEqual([4]);
  expect((await pass(1000)).slice(5)).toEqual([4, 6]);
  expect(clock.pending).toBe(0);
});

test('a rest is worth a hundredth of a second, and no more', async () => {
  const pace = new Pace(300, clock);
  await enter(pace, 1, 2, 3, 4);
  expect(left).toEqual([1, 2, 3]);
  await pass(60_000);
  await enter(pace, 5, 6, 7, 8);
  // The fourth of before took one.
  expect(left).toEqual([1, 2, 3, 4, 5, 6]);
});

test('a bucket says how long until there is one more, and fills no higher than it may', () => {
  const rate = new Rate(2, 2, 0);
  expect([rate.take(0), rate.take(0), rate.take(0), rate.take(499)]).toEqual([null, null, 500, 1]);
  expect([rate.take(500), rate.take(10_000), rate.take(10_000), rate.take(10_000)]).toEqual([null, null, null, 500]);
});
