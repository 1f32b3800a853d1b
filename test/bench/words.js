/** The tables of `npm run bench`, as docs/benchmarks.md has them. */
import { spanOf } from '../../dist/src/bench/bench.js';

export const whole = (value) => (value === null ? '–' : Math.round(value).toString());
export const ms = (value) => (value === null ? '–' : value.toFixed(1));
export const percent = (value) => (value === null ? '–' : `${(value * 100).toFixed(0)} %`);
export const times = (value) => (value === null ? '–' : value.toFixed(1));

/** All columns but one of words are of numbers. */
export function markdown(head, rows) {
  const isWord = (column) => column === 0 && rows.some(([first]) => Number.isNaN(Number(first)));
  return [head, head.map((_, column) => (isWord(column) ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

/**
 * Many initiators go through the few connections of the naive one as one wave, which ends nearly all at once: where not two
 * whole ones are sure to end within a turn, its throughput says when the turn ended, not how fast it is.
 */
export function timesNaive({ initiators, tercet, naive }, seconds) {
  const { forMs } = spanOf(initiators, seconds);
  if (!naive || naive.p50 === null || naive.p50 > forMs / 3) return '';
  return times(tercet.perSecond / naive.perSecond);
}

/** @param tcc points by number of branches @param seconds of a turn */
export function loopTable(tcc, seconds) {
  const rows = Object.entries(tcc).flatMap(([branches, points]) =>
    points.map((point) => {
      const { initiators, tercet, ofBare, writes } = point;
      const { coordinator, postgresql } = tercet.cpuUs;
      return [
        branches,
        initiators,
        ...[whole(tercet.perSecond), ms(tercet.p50), ms(tercet.p99), percent(ofBare)],
        ...[writes ? percent(tercet.perSecond / writes.perSecond) : '', timesNaive(point, seconds)],
        ...[whole(coordinator), whole(postgresql)],
      ];
    }),
  );
  const head = ['branches', 'initiators', 'TCC/s', 'p50 ms', 'p99 ms', 'of the bare calls', 'of the bare writes'];
  return markdown([...head, 'times naive', 'coordinator µs', 'PostgreSQL µs'], rows);
}

export function rateTable({ perSecond, tercet, bare, p50TimesBare, p99TimesBare }) {
  const row = (name, cell) => [name, whole(cell.perSecond), ms(cell.p50), ms(cell.p99), ms(cell.max)];
  return markdown(
    [`${whole(perSecond)} a second, two branches, from the scheduled time`, 'answered/s', 'p50 ms', 'p99 ms', 'max ms'],
    [
      row('tercet', tercet),
      row('bare calls', bare),
      ['times the bare calls', '', times(p50TimesBare), times(p99TimesBare), ''],
    ],
  );
}

export function pressureLines({ maxUnfinished, participantMs, within, beyond, held }) {
  const row = ({ initiators, acceptedPerSecond, acceptedP99, refusedPerSecond, refusedP99 }, heldText) => [
    initiators,
    ...[whole(acceptedPerSecond), ms(acceptedP99), whole(refusedPerSecond), ms(refusedP99), heldText],
  ];
  return markdown(
    [
      `initiators, at most ${maxUnfinished} unfinished, calls of ${participantMs} ms`,
      ...['accepted/s', 'p99 ms', 'refused/s', 'p99 ms', 'held'],
    ],
    [row(within, ''), row(beyond, percent(held))],
  );
}
