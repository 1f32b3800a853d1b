/** `tercet lock list|show|release`: who holds what, and how a person takes it from him. */
import type { LockView, OneLockView } from '../protocol/locks.js';
import { Api, REMOTE } from './api.js';
import type { Command } from './command.js';
import { EXIT } from './exit.js';
import { age, span } from './moments.js';
import { each, REASON, reasonOf } from './ordering.js';
import { facts, table } from './table.js';
import type { Fact } from './table.js';
import { note, plain, print, printJson, style } from './terminal.js';

const ONE: Pick<Command, 'operands' | 'operandCount'> = { operands: 'NAME', operandCount: { from: 1, to: 1 } };

const list: Command = {
  name: 'lock list',
  summary: 'who has which lock, since when, and its token',
  options: {
    prefix: { value: 'TEXT', says: 'those whose names begin so' },
    limit: { value: 'N', says: 'at most so many: 100, at most 500' },
    ...REMOTE,
  },
  about: 'The locks of the coordinators; what services lock in their own databases is theirs.',
  examples: [['tercet lock list', 'what one node does for all, and which']],
  run: async (given) => {
    const api = new Api(given);
    const query = { prefix: given.text('prefix'), limit: given.text('limit') };
    const page = await api.get<{ locks: LockView[] }>('/v1/locks', 'locks', query);
    if (given.has('json')) printJson(page);
    else if (page.locks.length === 0) note('nobody has a lock');
    else for (const line of lockTable(page.locks, api.now)) print(line);
    return EXIT.done;
  },
};

const show: Command = {
  name: 'lock show',
  summary: 'who has a lock, and from whom a person took it before',
  ...ONE,
  options: REMOTE,
  examples: [['tercet lock show tercet.retention', 'who looks after history now']],
  run: async (given) => {
    const api = new Api(given);
    const lock = await api.get<OneLockView>(pathOf(given.operands[0] ?? ''), 'releases');
    if (given.has('json')) printJson(lock);
    else for (const line of shown(lock, api.now)) print(line);
    return EXIT.done;
  },
};

const release: Command = {
  name: 'lock release',
  summary: 'takes a lock from its holder, who is told at his next renewal',
  ...ONE,
  options: { force: { says: 'do it; else it is only said what would be done' }, ...REASON, ...REMOTE },
  about: `A lock ends by itself when its holder dies, so this is for one that hangs and lives.
What he still writes under its token changes nothing.`,
  examples: [['tercet lock release tercet.retention --force --reason "n1 hangs"', 'the next node takes it']],
  run: async (given) => {
    const [name = ''] = given.operands;
    if (given.has('force')) {
      const body = { reason: reasonOf(given) };
      const send = (api: Api, lock: string): Promise<LockView> => api.post(`${pathOf(lock)}/release`, 'token', body);
      return each(
        given,
        [name],
        send,
        ({ node, token }) => `${style(name, 'bold')}  taken from ${plain(node)} (token ${token})`,
      );
    }
    const { holder } = await new Api(given).get<OneLockView>(pathOf(name), 'releases');
    if (holder === null) note(`nobody has ${name}; there is nothing to release`);
    else
      note(`${name} would be taken from ${plain(holder.node)} (token ${holder.token}); --force --reason TEXT does it`);
    return EXIT.wrongUse;
  },
};

export const LOCK_COMMANDS: readonly Command[] = [list, show, release];

function pathOf(name: string): string {
  return `/v1/locks/${encodeURIComponent(name)}`;
}

function lockTable(locks: readonly LockView[], now: number): string[] {
  const columns = [
    { title: 'LOCK' },
    { title: 'NODE' },
    { title: 'TOKEN', isNumber: true },
    { title: 'HELD', isNumber: true },
    { title: 'LEFT', isNumber: true },
  ] as const;
  return table(
    columns,
    locks.map(({ name, node, token, since, until }) => {
      return [name, plain(node), String(token), age(now - Date.parse(since)), age(Date.parse(until) - now)];
    }),
  );
}

function shown({ name, holder, releases }: OneLockView, now: number): string[] {
  const lines: Fact[] = [['lock', name]];
  if (holder === null) lines.push(['held', 'by nobody']);
  else {
    lines.push(['held', `by ${plain(holder.node)} for ${span(now - Date.parse(holder.since))}`]);
    lines.push(['token', String(holder.token)]);
    lines.push(['ends', `in ${span(Math.max(0, Date.parse(holder.until) - now))}, unless it is renewed`]);
  }
  const columns = [{ title: 'AGO', isNumber: true }, { title: 'BY' }, { title: 'FROM' }, { title: 'WHY' }] as const;
  const rows = releases.map(({ at, by, node, reason }) => {
    return [age(now - Date.parse(at)), plain(by), plain(node), plain(reason)];
  });
  return [...facts(lines), ...(rows.length === 0 ? [] : ['', ...table(columns, rows)])];
}
