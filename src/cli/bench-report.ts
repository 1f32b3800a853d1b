/** What `tercet bench` measured, for people. */
import { repeatedText } from '../bench/bench.js';
import type { AtRate, Point, Result } from '../bench/bench.js';
import type { Pressure } from '../bench/pressure.js';
import type { Cell } from '../bench/turns.js';
import { table } from './table.js';
import type { Column } from './table.js';
import { COLUMNS, style, wrap } from './terminal.js';

const numbers = (...titles: string[]): Column[] => titles.map((title) => ({ title, isNumber: true }));

export function benchReport({ machine, asked, closedLoop, fixedRate, pastTheLimit, end }: Result): string[] {
  const { cores, cpu, memoryGiB, node, postgresql, isEmbedded } = machine;
  const about =
    `${cores} × ${cpu}, ${memoryGiB} GiB; Node ${node}; PostgreSQL ${postgresql.version}` +
    `${isEmbedded ? ', embedded' : ''}, fsync ${postgresql.fsync}. Medians of ${asked.rounds} turns of ` +
    `${asked.seconds} s, after ${asked.warmUpSeconds} s to warm up. Bare: the same calls with no coordinator, in turn.`;
  const work = `${{ tcc: 'TCC', saga: 'Sagas', message: 'Messages' }[asked.mode]} of ${asked.branches}`;
  const repeated = repeatedText(end);
  return [
    ...wrap(about, COLUMNS),
    ...section(`${work}, one after another from each initiator`, throughput(closedLoop)),
    ...section('CPU in µs a transaction, and share of the machine', cpuTable(closedLoop)),
    ...section(
      `${work}, ${whole(fixedRate.perSecond)} a second at fixed times, latency from those times`,
      rateTable(fixedRate),
    ),
    ...section(limitTitle(pastTheLimit), limitTable(pastTheLimit)),
    '',
    `${whole(end.accepted)} accepted, ${whole(end.committed)} committed, ${whole(end.unfinished)} unfinished`,
    ...(repeated === null ? [] : wrap(repeated, COLUMNS)),
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return ['', ...wrap(title, COLUMNS).map((line) => style(line, 'bold')), ...lines];
}

function throughput(points: readonly Point[]): string[] {
  const titles = numbers('INITIATORS', 'TERCET/S', 'P50 MS', 'P99 MS', 'BARE/S', 'P50 MS', 'P99 MS', 'OF BARE');
  const rows = points.map(({ initiators, tercet, bare, ofBare }) => {
    return [whole(initiators), ...speed(tercet), ...speed(bare), percent(ofBare)];
  });
  return table(titles, rows);
}

function cpuTable(points: readonly Point[]): string[] {
  const titles = numbers('INITIATORS', 'COORDINATOR', 'POSTGRESQL', 'PARTICIPANT', 'LOAD', 'ALL', 'BARE', 'MACHINE');
  const rows = points.map(({ initiators, tercet, bare }) => {
    const { coordinator, postgresql, participant, load } = tercet.cpuUs;
    const own = [coordinator, postgresql, participant, load].map((us) => us ?? null);
    const bareOwn = ['participant', 'load'].map((name) => bare.cpuUs[name] ?? null);
    return [whole(initiators), ...[...own, sum(own), sum(bareOwn)].map(whole), percent(tercet.machine)];
  });
  return table(titles, rows);
}

function rateTable({ tercet, bare, p50TimesBare, p99TimesBare }: AtRate): string[] {
  const titles = [{ title: '' }, ...numbers('ANSWERED/S', 'P50 MS', 'P99 MS', 'MAX MS')];
  const row = (name: string, cell: Cell): string[] => [name, ...speed(cell), ms(cell.max)];
  return table(titles, [
    row('tercet', tercet),
    row('bare', bare),
    ['times bare', '', times(p50TimesBare), times(p99TimesBare), ''],
  ]);
}

function limitTitle({ maxUnfinished, participantMs }: Pressure): string {
  return `Past the limit: at most ${maxUnfinished} unfinished, calls that take ${participantMs} ms; who is refused (429) comes again after Retry-After`;
}

function limitTable({ within, beyond, held }: Pressure): string[] {
  const titles = numbers('INITIATORS', 'ACCEPTED/S', 'P99 MS', 'REFUSED/S', 'P99 MS', 'HELD');
  const rows = [within, beyond].map((turn) => [
    whole(turn.initiators),
    whole(turn.acceptedPerSecond),
    ms(turn.acceptedP99),
    whole(turn.refusedPerSecond),
    ms(turn.refusedP99),
    turn === beyond ? percent(held) : '',
  ]);
  return table(titles, rows);
}

function speed({ perSecond, p50, p99 }: Cell): string[] {
  return [whole(perSecond), ms(p50), ms(p99)];
}

/** Null where one is not known. */
function sum(values: readonly (number | null)[]): number | null {
  return values.reduce((all, value) => (all === null || value === null ? null : all + value), 0);
}

const whole = (value: number | null): string => (value === null ? '–' : Math.round(value).toLocaleString('en-US'));
const ms = (value: number | null): string => (value === null ? '–' : value.toFixed(value < 100 ? 1 : 0));
const percent = (value: number | null): string => (value === null ? '–' : `${(value * 100).toFixed(0)} %`);
const times = (value: number | null): string => (value === null ? '–' : value.toFixed(1));
