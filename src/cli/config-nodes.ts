/** `tercet config nodes|watch`: who has taken what, now and as it happens. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConfigAuditView, ConfigNodeView } from '../protocol/config.js';
import { Api, REMOTE } from './api.js';
import type { Command } from './command.js';
import { ENV, environmentOf, environmentPath } from './config-place.js';
import { EXIT } from './exit.js';
import { age, clock, durationOf } from './moments.js';
import { table } from './table.js';
import type { Cell } from './table.js';
import { note, plain, print, printJson, style } from './terminal.js';

const LOOK_MS = 1000;

type Nodes = { nodes: ConfigNodeView[] };
type Taken = ConfigNodeView['namespaces'][string];

const nodes: Command = {
  name: 'config nodes',
  summary: 'which instance has taken which release, and which has not',
  ...ENV,
  options: REMOTE,
  about: `DESIRED is what it should have, APPLIED what it said it took. late: it has not said
anything of the desired one yet; rejected: it could not take it, and goes on with
what it had.`,
  examples: [['tercet config nodes production', 'each instance and namespace']],
  run: async (given) => {
    const api = new Api(given);
    const answer = await api.get<Nodes>(`${environmentPath(environmentOf(given))}/nodes`, 'nodes');
    if (given.has('json')) printJson(answer);
    else if (answer.nodes.length === 0) note('no instance has said anything');
    else for (const line of nodeTable(answer.nodes, api.now)) print(line);
    return EXIT.done;
  },
};

const watch: Command = {
  name: 'config watch',
  summary: 'what happens in an environment, as it happens',
  ...ENV,
  options: {
    for: { value: 'DURATION', says: 'how long at most: 30s, 5m; without it, for ever' },
    ...REMOTE,
    json: { says: 'what the audit and the nodes said, a line each' },
  },
  about: 'Drafts, releases and rollouts, and what each instance says of them. Ctrl-C ends it.',
  examples: [
    ['tercet config watch production', 'beside a release'],
    ['tercet config watch production --for 1m --json', 'a minute, for a script'],
  ],
  run: async (given) => {
    const path = environmentPath(environmentOf(given));
    const api = new Api(given);
    const limit = given.text('for');
    const until = limit === undefined ? Infinity : performance.now() + durationOf(limit, 'for');
    const told = new Told(given.has('json'));
    for (;;) {
      const [{ entries }, seen] = await Promise.all([
        api.get<{ entries: ConfigAuditView[] }>(`${path}/audit`, 'entries', { limit: '500' }),
        api.get<Nodes>(`${path}/nodes`, 'nodes'),
      ]);
      told.next(entries, seen.nodes, api.now);
      const leftMs = until - performance.now();
      if (leftMs <= 0) return EXIT.done;
      await sleep(Math.min(LOOK_MS, leftMs));
    }
  },
};

export const NODE_COMMANDS: readonly Command[] = [nodes, watch];

/** What was told already is not told again. */
class Told {
  /** Null: nothing was looked at yet, and what was before is not told. */
  private last: number | null = null;
  private readonly states = new Map<string, string>();

  constructor(private readonly asJson: boolean) {}

  next(entries: readonly ConfigAuditView[], all: readonly ConfigNodeView[], now: number): void {
    const { last } = this;
    if (last !== null) {
      for (const entry of [...entries].reverse().filter(({ id }) => id > last)) this.tell(entry, auditLine(entry));
    }
    this.last = Math.max(last ?? 0, ...entries.map(({ id }) => id));
    for (const node of all) this.nextOf(node, last === null, now);
  }

  private nextOf(node: ConfigNodeView, isFirst: boolean, now: number): void {
    for (const [namespace, taken] of Object.entries(node.namespaces)) {
      const key = `${node.instance} ${namespace}`;
      const state = JSON.stringify([node.isAlive, taken.desired, taken.applied, taken.state, taken.reason]);
      const isNews = this.states.get(key) !== state;
      this.states.set(key, state);
      if (!isNews || isFirst) continue;
      const at = new Date(now).toISOString();
      this.tell(
        { at, instance: node.instance, namespace, isAlive: node.isAlive, ...taken },
        nodeLine(at, node, namespace),
      );
    }
  }

  private tell(value: object, line: string): void {
    if (this.asJson) printJson(value);
    else print(line);
  }
}

function auditLine({ at, by, action, namespace, release, reason }: ConfigAuditView): string {
  const of = [namespace, release === null ? null : `release ${release}`].filter((part) => part !== null).join(' ');
  const why = reason === null ? '' : `: ${plain(reason)}`;
  return `${style(clock(at), 'dim')}  ${style(plain(action), 'bold')}${of === '' ? '' : ` ${of}`} by ${plain(by)}${why}`;
}

function nodeLine(at: string, { instance, isAlive, namespaces }: ConfigNodeView, namespace: string): string {
  const taken = namespaces[namespace];
  const said = taken === undefined ? '' : stateText(taken, isAlive);
  const colour = !isAlive || taken?.state === 'rejected' ? 'red' : taken?.state === 'late' ? 'yellow' : 'green';
  return `${style(clock(at), 'dim')}  ${plain(instance)}  ${namespace}  ${style(said, colour)}`;
}

function stateText({ state, desired, applied, reason }: Taken, isAlive: boolean): string {
  const why = reason === null ? '' : `: ${plain(reason)}`;
  if (!isAlive) return `silent, had ${applied ?? 'nothing'}`;
  if (state === 'applied') return `has ${applied ?? 'nothing'}${why}`;
  return `${state === 'late' ? `has not taken ${desired ?? 'it'} yet` : `rejects ${desired ?? 'it'}`}, has ${applied ?? 'nothing'}${why}`;
}

function nodeTable(all: readonly ConfigNodeView[], now: number): string[] {
  const columns = [
    { title: 'INSTANCE' },
    { title: 'NAMESPACE' },
    { title: 'DESIRED', isNumber: true },
    { title: 'APPLIED', isNumber: true },
    { title: 'SINCE', isNumber: true },
    { title: 'STATE' },
  ] as const;
  const rows = all.flatMap(({ instance, isAlive, reportedAt, namespaces }) => {
    const silent = `silent for ${age(now - Date.parse(reportedAt))}`;
    return Object.entries(namespaces).map(([namespace, { desired, applied, since, state, reason }]): Cell[] => {
      const said = `${state}${reason === null ? '' : `: ${plain(reason)}`}`;
      return [
        plain(instance),
        namespace,
        String(desired ?? '-'),
        String(applied ?? '-'),
        since === null ? '-' : age(now - Date.parse(since)),
        isAlive ? [said, COLOURS[state]] : [silent, 'red'],
      ];
    });
  });
  return table(columns, rows);
}

const COLOURS = { applied: 'green', late: 'yellow', rejected: 'red' } as const;
