/** The chart: one document, for eyes in either light and for who has it read aloud. */
import { chart } from '../../src/bench/chart.js';
import type { Point, Result } from '../../src/bench/bench.js';
import type { Cell } from '../../src/bench/turns.js';

const cell = (perSecond: number, p50: number | null, p99: number | null): Cell => {
  return { perSecond, p50, p99, max: p99, settleMs: 0, cpuUs: {}, machine: null, rounds: [] };
};
const point = (initiators: number, tercet: Cell, bare: Cell): Point => ({ initiators, tercet, bare, ofBare: null });
const POINTS = [
  point(1, cell(410, 2.1, 5.2), cell(3050, 0.31, 0.9)),
  point(64, cell(3350, 18, 31), cell(7200, 8.6, 15)),
  point(1024, cell(3500, 287, null), cell(6900, 146, 230)),
];
const of = (closedLoop: readonly Point[], cpu = 'AMD EPYC'): string =>
  chart({
    at: '2026-11-22T08:00:00.000Z',
    machine: { cores: 2, cpu, node: 'v20', postgresql: { version: '18.4' } },
    asked: { mode: 'tcc', branches: 2, rounds: 4, seconds: 1, warmUpSeconds: 0.4 },
    closedLoop,
  } as unknown as Result);

/** Tags that are open at the end, or closed without having been opened. */
function unbalanced(svg: string): string[] {
  const open: string[] = [];
  for (const [, closing, name = '', selfClosing] of svg.matchAll(/<(\/)?([a-z]+)[^>]*?(\/)?>/g)) {
    if (selfClosing) continue;
    if (!closing) open.push(name);
    else if (open.pop() !== name) return [name];
  }
  return open;
}

test('is one balanced document with a title and a description that says every number', () => {
  const svg = of(POINTS);
  expect(unbalanced(svg)).toEqual([]);
  expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="0 0 800 720"/);
  expect(svg).toContain('role="img" aria-labelledby="title about"');
  expect(svg).toMatch(/<title id="title">TCC, 2 branches each: throughput and latency/);
  expect(svg).toContain('64 initiators: Tercet 3,350 a second, bare calls 7,200; p99 31 and 15 ms.');
  expect(svg).toContain('1024 initiators: Tercet 3,500 a second, bare calls 6,900; p99 – and 230 ms.');
});

test('everything lies in the picture, what is faster higher, and no two names on each other', () => {
  const svg = of(POINTS);
  const at = [...svg.matchAll(/\b(?:c?x|x[12])="([\d.-]+)"|\b(?:c?y|y[12])="([\d.-]+)"/g)];
  for (const [, x, y] of at) {
    expect(Number(x ?? y)).toBeGreaterThanOrEqual(0);
    expect(Number(x ?? y)).toBeLessThanOrEqual(x === undefined ? 720 : 800);
  }
  expect(svg).not.toMatch(/NaN|undefined|null/);
  const names = [...svg.matchAll(/class="(?:own|bare) name" x="664" y="([\d.]+)">([^<]+)/g)];
  expect(names.map(([, , name]) => name).toSorted()).toEqual(
    ['Tercet', 'Tercet p50', 'Tercet p99', 'bare calls', 'bare p50', 'bare p99'].toSorted(),
  );
  const heights = names.map(([, y]) => Number(y)).toSorted((a, b) => a - b);
  for (const [index, y] of heights.slice(1).entries()) expect(y - (heights[index] ?? 0)).toBeGreaterThanOrEqual(19);
  const yOf = (name: string): number => Number(names.find(([, , found]) => found === name)?.[1]);
  expect(yOf('bare calls')).toBeLessThan(yOf('Tercet'));
});

test('one number of initiators will do, and what is in the name of a machine is text', () => {
  const svg = of(POINTS.slice(0, 1), 'Intel & <Co>');
  expect(unbalanced(svg)).toEqual([]);
  expect(svg).not.toMatch(/NaN|Infinity/);
  expect(svg).toContain('Intel &amp; &lt;Co&gt;');
});
