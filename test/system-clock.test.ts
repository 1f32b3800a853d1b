/** The clock of a node, which follows that of the database. */
import { SystemClock } from '../src/system-clock.js';

test('it does not step back where the offset wavers, and follows a clock that was set', () => {
  let offsetMs = 5000;
  const clock = new SystemClock(() => offsetMs);
  const first = clock.now();
  offsetMs = 4900;
  expect(clock.now()).toBeGreaterThanOrEqual(first);
  offsetMs = -60_000;
  const set = clock.now();
  expect(set).toBeLessThan(first - 60_000);
  offsetMs = 5000;
  expect(clock.now()).toBeGreaterThanOrEqual(first);
});
