import fc from 'fast-check';
import { drawFrom, pendingDelay, retryDelay } from '../../src/domain/retry.js';
import { DEFAULT_RETRY as policy } from '../../src/protocol/words.js';

test('pauses double from the base to the cap', () => {
  const even = { ...policy, jitter: 0 };
  expect([1, 2, 3, 4].map((attempt) => retryDelay(even, attempt, 0.5))).toEqual([200, 400, 800, 1600]);
  expect(retryDelay(even, 60, 0.5)).toBe(30_000);
});

test('the pauses after pending answers double too, from the base to the cap', () => {
  const even = { ...policy, jitter: 0 };
  const waits: number[] = [];
  for (let waited = 0; waits.length < 10; waited += waits.at(-1) ?? 0) waits.push(pendingDelay(even, waited, 0.5));
  expect(waits).toEqual([200, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000]);
});

test('a pause never leaves the band that jitter allows and is never zero', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (attempt, draw) => {
        const pause = retryDelay(policy, attempt, draw);
        const middle = retryDelay({ ...policy, jitter: 0 }, attempt, 0);
        expect(pause).toBeGreaterThanOrEqual(Math.floor(middle * 0.8));
        expect(pause).toBeLessThanOrEqual(Math.ceil(middle * 1.2));
        expect(pause).toBeGreaterThan(0);
      },
    ),
  );
});

test('draws of neighbouring branches spread over the whole range', () => {
  const draws = Array.from({ length: 1000 }, (_, i) => drawFrom(`order-${i}/account/confirm/1`));
  expect(Math.min(...draws)).toBeLessThan(0.05);
  expect(Math.max(...draws)).toBeGreaterThan(0.95);
  expect(draws.every((draw) => draw >= 0 && draw < 1)).toBe(true);
});
