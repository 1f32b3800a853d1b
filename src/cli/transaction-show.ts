/** `tercet tx show`: everything about one transaction. */
import type { BranchView, EventView, TimelineView, TransactionView } from '../protocol/words.js';
import { Api, REMOTE } from './api.js';
import type { Command } from './command.js';
import { EXIT } from './exit.js';
import { clock, offset, span } from './moments.js';
import { facts, painted, table } from './table.js';
import type { Fact } from './table.js';
import { plain, print, printJson, style } from './terminal.js';
import { Timeline } from './timeline.js';
import { isEnded, parkedText, reasonText, statusCell, times, waitsFor } from './transaction-words.js';

export const showTransaction: Command = {
  name: 'tx show',
  summary: 'one transaction: branches, timeline, what it waits for',
  operands: 'GID',
  operandCount: { from: 1, to: 1 },
  options: REMOTE,
  about: `Times in the timeline count from the begin. With --json it is the transaction as
the coordinator answers it, with the events of its timeline beside.`,
  examples: [
    ['tercet tx show order-17', 'for a person'],
    ['tercet tx show order-17 --json | jq -r .status', 'for a script'],
  ],
  run: async (given) => {
    const api = new Api(given);
    const path = pathOf(given.operands[0]);
    const tx = await api.get<TransactionView>(path, 'gid');
    // Read after the transaction: it tells no less.
    const { events } = await api.get<TimelineView>(`${path}/timeline`, 'events');
    if (given.has('json')) printJson({ ...tx, events });
    else show(tx, events, api.now);
    return EXIT.done;
  },
};

export function pathOf(gid = ''): string {
  return `/v1/transactions/${encodeURIComponent(gid)}`;
}

function show(tx: TransactionView, events: readonly EventView[], now: number): void {
  const parked = tx.parked ? style(', parked', 'red') : '';
  print(`${style(tx.gid, 'bold')}  ${tx.mode}  ${painted(statusCell(tx))}${parked}`);
  for (const line of facts(about(tx, events, now))) print(line);
  if (tx.branches.length > 0) {
    print();
    for (const line of branchTable(tx)) print(line);
  }
  print();
  const timeline = new Timeline(tx);
  for (const line of [timeline.titles(), ...timeline.next(events)]) print(line);
}

function about(tx: TransactionView, events: readonly EventView[], now: number): Fact[] {
  const { businessKey, beganAt, decidedAt, endedAt, deadlineAt, decision, reason, parked, recovery, branches } = tx;
  const since = (iso: string): string => offset(Date.parse(iso) - Date.parse(beganAt));
  const lines: Fact[] = [];
  if (businessKey !== null) lines.push(['business key', plain(businessKey)]);
  lines.push(['began', `${clock(beganAt)}, ${span(now - Date.parse(beganAt))} ago`]);
  if (deadlineAt !== null && decision === null) lines.push(['deadline', `${clock(deadlineAt)}, ${since(deadlineAt)}`]);
  if (tx.check && decision === null) lines.push(['check', checkText(tx.check)]);
  if (tx.deliverAt) lines.push(['deliver at', `${clock(tx.deliverAt)}, ${since(tx.deliverAt)}`]);
  const pivot = branches.find((branch) => branch.pivot);
  if (recovery === 'forward') lines.push(['recovery', 'forward: never undone']);
  if (pivot) lines.push(['pivot', `${pivot.branchId}: once it is done, nothing is undone`]);
  if (decidedAt !== null) {
    const why = reason === null ? '' : `, ${reasonText(reason)}`;
    lines.push(['decided', `${since(decidedAt)}: ${decision ?? ''}${why}`]);
  }
  if (endedAt !== null) lines.push(['ended', `${since(endedAt)}: ${tx.status}`]);
  if (parked) {
    lines.push(['parked', `${since(parked.at)}: ${parkedText(parked)}`, 'red']);
    lines.push(...nextSteps(tx.gid, parked));
  } else if (!isEnded(tx)) lines.push(['waits for', waitsFor(tx, events, now)]);
  return lines;
}

function checkText({ component, afterMs, intervalMs, maxAttempts }: NonNullable<TransactionView['check']>): string {
  const every = maxAttempts > 1 ? `, then every ${short(intervalMs)} and slower` : '';
  return `${component} is asked after ${short(afterMs)}${every}, ${times(maxAttempts)} at most`;
}

function short(ms: number): string {
  return ms < 1000 ? `${ms} ms` : span(ms);
}

/** What a person can do about one that is parked. */
function nextSteps(gid: string, { op }: NonNullable<TransactionView['parked']>): Fact[] {
  const order = (action: string): string => `tercet tx ${action} ${gid} --reason "…"`;
  if (op !== 'check') return [['next', `repair what it says, then: ${order('resume')}`]];
  return [
    ['ask again', order('resume')],
    ['it committed', order('submit')],
    ['it did not', order('abort')],
  ];
}

function branchTable({ mode, branches }: TransactionView): string[] {
  // In order goes without saying.
  const isGraph = branches.some(({ after }, index) => after && after.join() !== (branches[index - 1]?.branchId ?? ''));
  const columns = [
    { title: 'BRANCH' },
    { title: mode === 'message' ? 'TO' : 'COMPONENT' },
    ...(isGraph ? [{ title: 'AFTER' }] : []),
    { title: 'STATE' },
    { title: 'ATTEMPTS', isNumber: true },
    { title: 'REPLY' },
  ] as const;
  const rows = branches.map((branch) => {
    const { branchId, after = [], state, attempts, reply } = branch;
    const said = reply === null ? '' : plain(JSON.stringify(reply));
    return [branchId, goalOf(branch), ...(isGraph ? [after.join(', ')] : []), state, String(attempts), said];
  });
  return table(columns, rows);
}

/** Where a branch goes: to a component, or to a topic under a key. */
function goalOf({ component, topic = '', key = null }: BranchView): string {
  return component ?? `topic ${topic}${key === null ? '' : `, key ${plain(key)}`}`;
}
