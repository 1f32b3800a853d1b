/** Closed loop and fixed rate, by a clock that moves only when nothing else can. */
import { setImmediate } from 'node:timers/promises';
import { closedLoop, fixedRate } from '../../src/bench/load.js';
import type { Clock, Load } from '../../src/bench/load.js';
import { percentile } from '../../src/bench/summary.js';

class TestClock implements Clock {
  private time = 0;
  private sleepers: { readonly at: number; readonly wake: () => void }[] = [];
  now = (): number => this.time;
  sleep = (ms: number): Promise<void> => new Promise((wake) => this.sleepers.push({ at: this.time + ms, wake }));

  /** The process gets no turn for so long. */
  stall(ms: number): void {
    this.time += ms;
  }

  async until(load: Promise<Load>): Promise<Load> {
    let isOver = false;
    void load.catch(() => undefined).finally(() => (isOver = true));
    for (;;) {
      await setImmediate();
      if (isOver) return load;
      this.sleepers.sort((a, b) => a.at - b.at);
      const next = this.sleepers.shift();
      this.time = Math.max(this.time, next?.at ?? this.time);
      next?.wake();
    }
  }
}

const SPAN = { warmUpMs: 1000, forMs: 10_000 };
let clock: TestClock;
beforeEach(() => {
  clock = new TestClock();
});

/** Answers in 1 ms, one after another; of the one it gets at 5 s it makes 1 s, and all others wait for it. */
function stallingServer(): () => Promise<void> {
  let hasStalled = false;
  let freeAt = 0;
  return () => {
    const takes = !hasStalled && clock.now() >= 5000 ? 1000 : 1;
    hasStalled ||= takes > 1;
    freeAt = Math.max(freeAt, clock.now()) + takes;
    return clock.sleep(freeAt - clock.now());
  };
}

test('at a fixed rate a stall of the server shows in every transaction that was to begin meanwhile', async () => {
  const { latencies, total } = await clock.until(fixedRate(100, SPAN, stallingServer(), clock));
  expect([latencies.length, total]).toEqual([1000, 1100]);
  // 100 were to begin within the second, and the last of them waited least.
  expect(latencies.filter((ms) => ms > 10).length).toBeGreaterThanOrEqual(100);
  expect(percentile(latencies, 0.95)).toBeGreaterThan(400);
  expect(percentile(latencies, 0.5)).toBeCloseTo(1);
});

test('the same stall is one slow transaction of a closed loop: that is why there is a fixed rate', async () => {
  const { latencies } = await clock.until(closedLoop(1, SPAN, stallingServer(), clock));
  expect(latencies.filter((ms) => ms > 10)).toHaveLength(1);
});

test('at a fixed rate what the load generator itself comes too late for counts as late', async () => {
  let count = 0;
  const once = async (): Promise<void> => {
    if ((count += 1) === 500) clock.stall(1000);
  };
  const { latencies } = await clock.until(fixedRate(100, SPAN, once, clock));
  expect(latencies.filter((ms) => ms > 10).length).toBeGreaterThanOrEqual(99);
});

test('what is answered a second is by the whole span, however soon the last answer comes', async () => {
  const seconds = { warmUpMs: 400, forMs: 1000 };
  const ten = await clock.until(fixedRate(10, seconds, () => clock.sleep(1), clock));
  expect([ten.latencies.length, ten.perSecond]).toEqual([10, 10]);
  const one = await clock.until(fixedRate(1, seconds, () => clock.sleep(1), clock));
  expect([one.latencies.length, one.total]).toEqual([1, 2]);
});

test('a closed loop counts what ends in its span, the warm-up aside', async () => {
  const { latencies, perSecond, total } = await clock.until(closedLoop(4, SPAN, () => clock.sleep(100), clock));
  expect(perSecond).toBeCloseTo(40, 0);
  expect(total - latencies.length).toBeGreaterThanOrEqual(36);
});

test('both end with what went wrong, and begin nothing after it', async () => {
  let begun = 0;
  const once = async (): Promise<void> => {
    await clock.sleep(1);
    if ((begun += 1) >= 3) throw new Error('away');
  };
  await expect(clock.until(closedLoop(2, SPAN, once, clock))).rejects.toThrow('away');
  expect(begun).toBeLessThanOrEqual(4);
  begun = 0;
  await expect(clock.until(fixedRate(100, SPAN, once, clock))).rejects.toThrow('away');
  expect(begun).toBeLessThanOrEqual(4);
});

test('a rate at which ever more wait is given up', async () => {
  const never = (): Promise<void> => new Promise(() => undefined);
  await expect(clock.until(fixedRate(10_000, SPAN, never, clock))).rejects.toThrow(/20000 wait already/);
});

test('both stop when they are told to', async () => {
  const stopping = new AbortController();
  const once = async (): Promise<void> => {
    await clock.sleep(1);
    if (clock.now() > 50) stopping.abort(new Error('Ctrl-C'));
  };
  await expect(clock.until(closedLoop(2, SPAN, once, clock, stopping.signal))).rejects.toThrow('Ctrl-C');
  expect(clock.now()).toBeLessThan(100);
  await expect(clock.until(fixedRate(10, SPAN, once, clock, stopping.signal))).rejects.toThrow('Ctrl-C');
});
