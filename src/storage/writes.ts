/** Begins, saves and ends as rows of a flush. */
import { isEnded, takesBranches } from '../domain/transaction.js';
import type { Transaction } from '../domain/transaction.js';
import type { Held, Member, TimelineEvent } from '../engine/ports.js';
import { quoted } from '../protocol/json.js';
import { LISTS } from './flush-statement.js';
import type { List } from './flush-statement.js';
import { outboxRows } from './outbox-rows.js';
import { planText, progressText, repliesText } from './rows.js';

/**
 * What is written to a transaction of a version up to this tells its events in the row itself: most end by then, and
 * need no other table. What is written later goes to `timeline`, so that a long one is not written again and again.
 */
export const TOLD_IN_ROW = 3;

/** What one caller wants written, as JSON text made once: a flush that is taken apart or repeated only joins it. */
export interface Write extends Readonly<Record<List, string>> {
  readonly gid: string;
  /** Of a begin: who owns what is begun. */
  readonly member: string | null;
  /** Of a begin: the epoch that must be in force. */
  readonly epoch: number;
  /** Of an end: what is beside its row. */
  readonly branchesToMove: boolean;
  readonly timelineToMove: boolean;
  /** Characters of payloads that an end moves to history, inside the database. */
  readonly moves: number;
}

/** Characters that a write adds to the work of its flush. */
export function charsOf(write: Write): number {
  let sum = write.moves;
  for (const list of LISTS) sum += write[list].length;
  return sum;
}

export function beginOf(
  member: Member,
  tx: Transaction,
  contentHash: string,
  events: readonly TimelineEvent[],
  epoch: number,
): Write {
  const { gid, branches } = tx;
  // Of branches that may join it later, there is a row for each.
  const isBeside = takesBranches(tx);
  const own = isBeside
    ? ''
    : `,"branches":${json(`[${branches.map(({ branchId, component }) => `[${quoted(branchId)},${quoted(component)}]`).join(',')}]`)}` +
      `,"payloads":${json(JSON.stringify(branches.map(({ payload }) => payload)))}`;
  const begin =
    `{"gid":${quoted(gid)},"owner":${quoted(member.id)},"mode":"${tx.mode}","drive":"${tx.drive}",` +
    `"business_key":${orNull(tx.businessKey)},"content_hash":${quoted(contentHash)},"begun_by":${quoted(member.node)},` +
    `"began_at":${tx.beganAt},"deadline_at":${tx.deadlineAt},"trace":${orNull(tx.trace)},"release":${tx.release},` +
    `"epoch":${epoch},"status":"${tx.status}","events":${eventsOf(events)}${own}${planned(tx)}}`;
  return {
    gid,
    member: member.id,
    epoch,
    begin,
    branch: isBeside ? branches.map((branch, position) => branchRow(gid, branch, position)).join(',') : '',
    save: '',
    timeline: '',
    end: '',
    outbox: '',
    branchesToMove: false,
    timelineToMove: false,
    moves: 0,
  };
}

function branchRow(gid: string, branch: Transaction['branches'][number], position: number): string {
  const { branchId, component, payload } = branch;
  return (
    `{"gid":${quoted(gid)},"branch_id":${quoted(branchId)},"position":${position},` +
    `"component":${quoted(component)},"payload":${json(payload)}}`
  );
}

/**
 * What others have from their begin: the first branches of a saga are started, and forward recovery is a decision; a
 * message has a time for its check.
 */
function planned(tx: Transaction): string {
  if (tx.plan === null && tx.message === null) return '';
  return (
    `,"decision":${orNull(tx.decision)},"decided_at":${tx.decidedAt},"progress":${json(progressText(tx))},` +
    `"plan":${jsonOrNull(planText(tx))}`
  );
}

export function saveOf(held: Held, tx: Transaction, events: readonly TimelineEvent[]): Write {
  const { gid } = tx;
  const hasEnded = isEnded(tx);
  const isToldInRow = hasEnded || held.version <= TOLD_IN_ROW;
  const row =
    `{"gid":${quoted(gid)},"owner":${quoted(held.owner)},"epoch":${held.epoch},"version":${held.version},` +
    `"status":"${tx.status}","decision":${orNull(tx.decision)},"reason":${valueOrNull(tx.reason)},` +
    `"parked":${valueOrNull(tx.parked)},"progress":${json(progressText(tx))},` +
    `"replies":${jsonOrNull(repliesText(held.tx, tx))},"decided_at":${tx.decidedAt}` +
    `,"events":${isToldInRow ? eventsOf(events) : 'null'}`;
  const isTold = isToldInRow || events.length === 0;
  return {
    gid,
    member: null,
    epoch: 0,
    begin: '',
    branch: '',
    save: hasEnded ? '' : `${row}}`,
    timeline: isTold ? '' : `{"gid":${quoted(gid)},"version":${held.version + 1},"events":${eventsOf(events)}}`,
    end: hasEnded ? `${row},"ended_at":${tx.endedAt}}` : '',
    outbox: outboxRows(held.tx, tx),
    branchesToMove: hasEnded && takesBranches(tx),
    timelineToMove: hasEnded && held.version > TOLD_IN_ROW + 1,
    moves: hasEnded ? tx.branches.reduce((sum, { payload }) => sum + payload.length, 0) : 0,
  };
}

function eventsOf(events: readonly TimelineEvent[]): string {
  return events.length === 0 ? 'null' : json(JSON.stringify(events));
}

function orNull(text: string | null): string {
  return text === null ? 'null' : quoted(text);
}

/**
 * JSON text as the value of a text column. PostgreSQL takes an object or array out of the row as it stands, so that it
 * need not be quoted; but it looks at the escapes in it, and knows not all that JavaScript writes.
 */
function json(text: string): string {
  const isNested = text.startsWith('{') || text.startsWith('[');
  return isNested && !text.includes('\\u') ? text : JSON.stringify(text);
}

function jsonOrNull(text: string | null): string {
  return text === null ? 'null' : json(text);
}

function valueOrNull(value: object | null): string {
  return value === null ? 'null' : json(JSON.stringify(value));
}
