/** `tercet component list|show|delete` */
import type { ComponentEffective } from '../protocol/config.js';
import type { CallsView, ComponentView, InstanceView } from '../protocol/words.js';
import { Api, REMOTE } from './api.js';
import type { Command } from './command.js';
import { EXIT } from './exit.js';
import { clock, span } from './moments.js';
import { facts, table } from './table.js';
import type { Cell, Fact } from './table.js';
import { note, plain, print, printJson, style } from './terminal.js';

const NAME = { operands: 'NAME', operandCount: { from: 1, to: 1 }, options: REMOTE } as const;

const list: Command = {
  name: 'component list',
  summary: 'the services that take part, and how calls to them go',
  options: REMOTE,
  about: `ALIVE: instances that beat, of all. CALLS: under way. FAILED: share of the calls
of the last minute. Calls are those of the node that answers.`,
  examples: [
    ['tercet component list', 'for a person'],
    ['tercet component list --json | jq -r ".components[].name"', 'for a script'],
  ],
  run: async (given) => {
    const api = new Api(given);
    const answer = await api.get<{ components: ComponentView[] }>('/v1/components', 'components');
    if (given.has('json')) printJson(answer);
    else if (answer.components.length === 0) note('no component is registered');
    else for (const line of componentTable(answer.components)) print(line);
    return EXIT.done;
  },
};

const show: Command = {
  name: 'component show',
  summary: 'one component: where it is called, its policy, its instances',
  ...NAME,
  examples: [['tercet component show account', 'for a person']],
  run: async (given) => {
    const api = new Api(given);
    const component = await api.get<ComponentView>(pathOf(given.operands[0]), 'name');
    if (given.has('json')) printJson(component);
    else showOne(component, api.now);
    return EXIT.done;
  },
};

const remove: Command = {
  name: 'component delete',
  summary: 'takes a component out that no unfinished transaction uses',
  ...NAME,
  options: { url: REMOTE['url'] ?? { says: '' }, key: REMOTE['key'] ?? { says: '' } },
  about: 'A service that still runs may register it again.',
  examples: [['tercet component delete account', 'ends with 4 while a transaction uses it']],
  run: async (given) => {
    await new Api(given).delete(pathOf(given.operands[0]));
    print(`${style(given.operands[0] ?? '', 'bold')}  taken out`);
    return EXIT.done;
  },
};

export const COMPONENT_COMMANDS: readonly Command[] = [list, show, remove];

function pathOf(name = ''): string {
  return `/v1/components/${encodeURIComponent(name)}`;
}

function componentTable(components: readonly ComponentView[]): string[] {
  const columns = [
    { title: 'NAME' },
    { title: 'VERSION' },
    { title: 'ALIVE', isNumber: true },
    { title: 'CALLS', isNumber: true },
    { title: 'FAILED', isNumber: true },
    { title: 'BREAKER' },
    { title: 'URL' },
  ] as const;
  const rows = components.map(({ name, version, url, endpoints, instances, calls }): Cell[] => {
    const alive = instances.filter(({ isAlive }) => isAlive).length;
    const all = [calls, ...instances];
    const inFlight = all.reduce((sum, one) => sum + one.inFlight, 0);
    const worst = all.reduce((found, one) => (RANK[one.breaker] > RANK[found.breaker] ? one : found));
    return [
      name,
      plain(version ?? '-'),
      instances.length === 0 ? '-' : [`${alive}/${instances.length}`, ...(alive < instances.length ? RED : [])],
      String(inFlight),
      failed(all.reduce((found, one) => (one.failureRate > found.failureRate ? one : found))),
      breaker(worst),
      url ?? Object.values(endpoints).join(' '),
    ];
  });
  return table(columns, rows);
}

const RANK = { closed: 0, probing: 1, open: 2 } as const;
const RED = ['red'] as const;

function breaker({ breaker: state }: CallsView): Cell {
  return state === 'closed' ? state : [state, state === 'open' ? 'red' : 'yellow'];
}

function failed({ failureRate }: CallsView): Cell {
  return failureRate === 0 ? '0 %' : [`${Math.max(1, Math.round(failureRate * 100))} %`, 'red'];
}

function showOne(component: ComponentView, now: number): void {
  const { name, url, endpoints, effective, version, instances, calls } = component;
  const { timeoutMs, concurrency, callsPerSecond, retry, paused } = effective;
  print(`${style(name, 'bold')}${version === null ? '' : `  version ${plain(version)}`}`);
  const lines: Fact[] = [
    ...(url === null ? [] : [['url', url] as const]),
    ...Object.entries(endpoints).map(([op, endpoint]) => [op, endpoint] as const),
    ...(paused ? [['paused', `nothing is called, by ${effective.sources['paused']}`, 'yellow'] as const] : []),
    [
      'call',
      `no answer within ${timeoutMs} ms is unknown; ${concurrency} at once from each node` +
        (callsPerSecond === null ? '' : `, and ${callsPerSecond} a second`),
    ],
    [
      'retries',
      `after ${retry.baseMs} ms, ×${retry.factor} up to ${retry.capMs} ms, ±${Math.round(retry.jitter * 100)} %; ` +
        `try: ${retry.tryAttempts} attempts; others: ${retry.maxAttempts}, or for ${span(retry.maxAgeMs)}, then parked`,
    ],
    ['registered', `${clock(component.createdAt)}, changed ${clock(component.updatedAt)}`],
    ['this node', `${calls.inFlight} calls under way, breaker ${calls.breaker}, ${percent(calls)} failed lately`],
  ];
  for (const line of facts(lines)) print(line);
  print();
  for (const line of valueTable(effective)) print(line);
  if (instances.length === 0) return;
  print();
  for (const line of instanceTable(instances, now)) print(line);
}

/** What counts for a transaction that is begun now, and where each value comes from. */
function valueTable(effective: ComponentEffective): string[] {
  const { sources, ...values } = effective;
  const columns = [{ title: 'KEY' }, { title: 'VALUE', isNumber: true }, { title: 'FROM' }] as const;
  const rows = Object.entries(sources).map(([path, source]): Cell[] => {
    const value = path.split('.').reduce<unknown>((found, part) => (found as Record<string, unknown>)[part], values);
    return [path, String(value), /^release/.test(source) ? [source, 'bold'] : source];
  });
  return table(columns, rows, '  ');
}

function percent({ failureRate }: CallsView): string {
  return `${Math.round(failureRate * 100)} %`;
}

function instanceTable(instances: readonly InstanceView[], now: number): string[] {
  const columns = [
    { title: 'INSTANCE' },
    { title: 'LAST BEAT' },
    { title: 'CALLS', isNumber: true },
    { title: 'FAILED', isNumber: true },
    { title: 'BREAKER' },
    { title: 'URL' },
  ] as const;
  const rows = instances.map((one): Cell[] => {
    const beat = `${span(now - Date.parse(one.lastBeatAt))} ago`;
    const seen: Cell = one.isAlive ? [beat, 'green'] : [`${beat}, silent`, 'red'];
    return [one.instance, seen, String(one.inFlight), failed(one), breaker(one), one.url];
  });
  return table(columns, rows);
}
