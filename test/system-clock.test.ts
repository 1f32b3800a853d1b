/** The clock of a node, which follows that of the database. */
import { jest } from '@jest/globals';
import { SystemClock } from '../src/system-clock.js';

test('it does not step back where the offset wavers, and follows a clock that was set', () => {
  let offsetMs = 5000 + Date.now() - performance.now();
  const clock = new SystemClock(() => offsetMs);
  const first = clock.now();
  offsetMs -= 100;
  expect(clock.now()).toBeGreaterThanOrEqual(first);
  offsetMs -= 64_900;
  const set = clock.now();
  expect(set).toBeLessThan(first - 60_000);
  offsetMs += 65_000;
  expect(clock.now()).toBeGreaterThanOrEqual(first);
});

test('somebody sets the time of this machine, and nothing is due for it', () => {
  const clock = new SystemClock(() => 1_000_000);
  const before = clock.now();
  jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 3_600_000);
  expect(clock.now() - before).toBeLessThan(60_000);
  jest.restoreAllMocks();
});
