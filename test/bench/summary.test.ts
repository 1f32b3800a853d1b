/** Percentiles, medians and turns: what becomes of many numbers. */
import { median, percentile, ratio } from '../../src/bench/summary.js';
import { takeTurns } from '../../src/bench/turns.js';

test('a percentile is the least value that so many do not exceed', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect([0, 0.5, 0.99, 1].map((share) => percentile(hundred, share))).toEqual([1, 50, 99, 100]);
  expect([percentile([7], 0.99), percentile([], 0.99)]).toEqual([7, null]);
});

test('a median is of those that are known', () => {
  expect([median([3, 1, 2]), median([4, null, 1]), median([null]), median([])]).toEqual([2, 2.5, null, null]);
});

test('nothing is so many times what is not known', () => {
  expect([ratio(1, 4), ratio(null, 4), ratio(1, null), ratio(1, 0)]).toEqual([0.25, null, null, null]);
});

test('contenders take turns, and each has the medians of its own, CPU for each transaction', async () => {
  const order: string[] = [];
  let cpu = 0;
  const speeds = [10, 30, 20, 20, 90, 10];
  const load = async (once: () => Promise<void>) => {
    await once();
    cpu += 1000;
    return { latencies: [1, 2], perSecond: speeds[order.length - 1] ?? 0, total: 4 };
  };
  const contender = (name: string) => ({ once: async () => void order.push(name) });
  const told: string[] = [];
  const surroundings = {
    cpu: () => ({ load: cpu, coordinator: null }),
    cores: 2,
    told: (what: string) => void told.push(what),
  };
  const compared = { a: contender('a'), b: contender('b') };
  const [cells] = await takeTurns([{ name: '4 initiators', load }], compared, 3, surroundings);
  expect(order).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
  expect(told.slice(0, 2)).toEqual(['a, 4 initiators', 'b, 4 initiators']);
  expect([cells?.a.perSecond, cells?.b.perSecond]).toEqual([20, 20]);
  expect(cells?.b.rounds.map(({ perSecond }) => perSecond)).toEqual([30, 20, 10]);
  expect(cells?.a).toMatchObject({ p50: 1, p99: 2, max: 2, cpuUs: { load: 250, coordinator: null }, machine: null });
});

test('every kind of load has its turn in each round, so that what drifts does so for all', async () => {
  const order: string[] = [];
  const kinds = ['few', 'many'].map((name) => ({
    name,
    load: async () => {
      order.push(name);
      return { latencies: [], perSecond: 0, total: 0 };
    },
  }));
  const surroundings = { cpu: () => ({}), cores: 1, told: () => undefined };
  const cells = await takeTurns(kinds, { a: { once: async () => undefined } }, 2, surroundings);
  expect(order).toEqual(['few', 'many', 'few', 'many']);
  expect(cells.map(({ a }) => [a.rounds.length, a.p50])).toEqual([
    [2, null],
    [2, null],
  ]);
});
