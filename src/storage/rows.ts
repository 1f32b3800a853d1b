/** Transactions as rows: the mutable part of all branches is one short text, so that a save is one row. */
import { message as messageRules } from '../domain/message.js';
import { dueAt, isHeld } from '../domain/transaction.js';
import type { Branch, BranchPlan, MessagePlan, Parked, SagaPlan, Topic, Transaction } from '../domain/transaction.js';
import type { Held } from '../engine/ports.js';
import type { BranchState, Decision, Drive, Mode, Reason, Status } from '../protocol/words.js';

const PLAIN = `gid, mode, drive, business_key, owner, epoch, version, status, decision, reason, parked, progress,
  replies, trace, plan, release`;

/** What an unfinished transaction and one in history have in common. */
export const COLUMNS = `${PLAIN}, began_at, deadline_at, decided_at`;

/** Milliseconds since the epoch of each timestamptz(3), exactly. */
const TIMES = ['began_at', 'deadline_at', 'decided_at', 'ended_at']
  .map((column) => `(extract(epoch FROM r.${column}) * 1000)::float8 AS ${column}`)
  .join(', ');

/** Of the unfinished transaction `t`, where they are not in its row: ids and components of its branches, apart from the payloads. */
export const BRANCHES = `(
  SELECT json_agg(json_build_array(branch_id, component) ORDER BY position) AS branches,
         json_agg(payload ORDER BY position) AS payloads
    FROM tercet.branch b WHERE b.gid = t.gid AND t.branches IS NULL)`;

/** Unfinished transactions with their branches, read in one statement and so as of one moment. */
export function unfinished(condition: string): string {
  return `SELECT ${COLUMNS}, NULL::timestamptz AS ended_at, COALESCE(t.branches::json, b.branches) AS branches,
                 COALESCE(t.payloads::json, b.payloads) AS payloads
            FROM tercet.transaction t CROSS JOIN LATERAL ${BRANCHES} b WHERE ${condition}`;
}

/** How a component stands in the column `branches`: the last of its array, which an id is not. */
export function componentText(component: string): string {
  return `${JSON.stringify(component)}]`;
}

/** The same of history. */
export function finished(condition: string): string {
  return `SELECT ${COLUMNS}, ended_at, branches::json, payloads::json FROM tercet.history WHERE ${condition}`;
}

/** A TransactionRow for each of what `unfinished` and `finished` select. */
export function rowsOf(selected: string, more = ''): string {
  return `SELECT ${PLAIN}, ${TIMES}, branches, payloads${more} FROM (${selected}) r`;
}

export interface TransactionRow {
  gid: string;
  mode: Mode;
  drive: Drive;
  business_key: string | null;
  owner: string;
  epoch: number;
  version: number;
  status: Status;
  decision: Decision | null;
  reason: string | null;
  parked: string | null;
  progress: string | null;
  replies: string | null;
  trace: string | null;
  plan: string | null;
  release: number | null;
  began_at: number;
  deadline_at: number | null;
  decided_at: number | null;
  ended_at: number | null;
  branches: [branchId: string, component: string][] | null;
  /** Null where they were not asked for. */
  payloads: string[] | null;
}

/**
 * state, attempts, tries, retryAt, since, gaveUp, and of a saga the span; what is null at the end is left out. Since is
 * null where it is that of the decision or the begin, and NOT_YET where there is none.
 */
type BranchProgress = [
  BranchState | 'ahead',
  number?,
  number?,
  (number | null)?,
  (number | null)?,
  (string | null)?,
  (number | null)?,
  (number | null)?,
];
const NOT_YET = 0;
/** Of a branch that waits for its turn: a saga has many. */
const WAITING = 0;
/** The same, and it may have been called all the same: see S5 in domain/saga.ts. */
const AHEAD = 1;

/** First the decision at the time of writing. */
type Progress = [Decision | null, ...(BranchProgress | typeof WAITING | typeof AHEAD)[]];

export function toHeld(row: TransactionRow): Held {
  // A transaction that was never saved has no progress: all is as it was at its begin.
  const [decision, ...progress] = row.progress === null ? [null] : (JSON.parse(row.progress) as Progress);
  // A decision from outside writes no progress: each branch then starts its next operation from where it was.
  const isRestarted = decision !== row.decision;
  const replies = row.replies === null ? [] : (JSON.parse(row.replies) as (string | null)[]);
  const stored = row.plan === null ? null : (JSON.parse(row.plan) as StoredPlan | StoredMessage);
  const [plan, message] = stored && 'topics' in stored ? [null, stored] : [stored, null];
  const base = row.decided_at ?? row.began_at;
  const branches = (row.branches ?? []).map(([branchId, component], index): Branch => {
    const [noted, attempts = 0, tries = 0, retryAt = null, sinceThen = null, gaveUp = null, from = null, to = null] =
      progressOf(progress[index]);
    const since = sinceThen === NOT_YET ? null : (sinceThen ?? base);
    // One literal: of one that is spread out of others V8 makes a hash table, ten times as large.
    return {
      branchId,
      component,
      payload: row.payloads?.[index] ?? 'null',
      state: noted === 'ahead' ? 'waiting' : noted,
      attempts: isRestarted ? 0 : attempts,
      tries: isRestarted ? attempts : tries,
      since: isRestarted ? dueAt(row.mode, base) : since,
      retryAt: isRestarted ? null : retryAt,
      reply: replies[index] ?? null,
      gaveUp: isRestarted ? null : gaveUp,
      plan: plan && branchPlan(plan.branches[index] ?? {}, index),
      span: from === null ? null : { from, to },
      topic: message?.topics[index] ?? null,
      ahead: noted === 'ahead',
    };
  });
  const known: Transaction = {
    gid: row.gid,
    mode: row.mode,
    drive: row.drive,
    businessKey: row.business_key,
    status: row.status,
    decision: row.decision,
    reason: row.reason === null ? null : (JSON.parse(row.reason) as Reason),
    parked: row.parked === null ? null : (JSON.parse(row.parked) as Parked),
    branches,
    beganAt: row.began_at,
    decidedAt: row.decided_at,
    endedAt: row.ended_at,
    deadlineAt: row.deadline_at,
    plan: plan && { recovery: plan.recovery, parallel: plan.parallel },
    message: message && { check: message.check, deliverAt: message.deliverAt },
    trace: row.trace,
    release: row.release,
  };
  const isToStart = isRestarted && message !== null && !isHeld(known);
  const tx = isToStart ? messageRules.start(known, base) : known;
  return { tx, owner: row.owner, epoch: row.epoch, version: row.version };
}

function progressOf(stored: Progress[number] | undefined): BranchProgress {
  if (stored === WAITING || stored === AHEAD) return [stored === AHEAD ? 'ahead' : 'waiting', 0, 0, null, NOT_YET];
  return Array.isArray(stored) ? stored : ['started'];
}

export function progressText(tx: Transaction): string {
  const base = tx.decidedAt ?? tx.beganAt;
  const parts = tx.branches.map((branch) => {
    const { state, ahead, attempts, tries, retryAt, since, gaveUp, span } = branch;
    if (state === 'waiting' && attempts + tries === 0 && since === null && gaveUp === null)
      return ahead ? AHEAD : WAITING;
    const rest = [retryAt, since === base ? null : (since ?? NOT_YET), gaveUp, span?.from ?? null, span?.to ?? null];
    const count = rest.findLastIndex((value) => value !== null) + 1;
    const more = count === 0 ? '' : `,${JSON.stringify(rest.slice(0, count)).slice(1, -1)}`;
    return `["${ahead ? 'ahead' : state}",${attempts},${tries}${more}]`;
  });
  return `[${[JSON.stringify(tx.decision), ...parts].join(',')}]`;
}

/** What differs from a branch in order that is undone. */
type StoredBranchPlan = Partial<BranchPlan>;

interface StoredPlan extends SagaPlan {
  readonly branches: readonly StoredBranchPlan[];
}

function branchPlan({ after, ...rest }: StoredBranchPlan, index: number): BranchPlan {
  return { after: after ?? previous(index), compensate: true, pivot: false, ...rest };
}

function previous(index: number): number[] {
  return index === 0 ? [] : [index - 1];
}

interface StoredMessage extends MessagePlan {
  /** Of each branch. */
  readonly topics: readonly (Topic | null)[];
}

/** Null: it has none, being neither a saga nor a message. */
export function planText(tx: Transaction): string | null {
  if (tx.message) {
    return JSON.stringify({ ...tx.message, topics: tx.branches.map(({ topic }) => topic) } satisfies StoredMessage);
  }
  if (!tx.plan) return null;
  const branches = tx.branches.map(({ plan }, index): StoredBranchPlan => {
    const { after = [], compensate, pivot, ...rest } = plan ?? {};
    return {
      ...rest,
      ...(String(after) === String(previous(index)) ? {} : { after }),
      ...(compensate ? {} : { compensate: false }),
      ...(pivot ? { pivot } : {}),
    };
  });
  return JSON.stringify({ ...tx.plan, branches } satisfies StoredPlan);
}

/** Null when no branch got a reply since `before`: then the column, which may be long, is not written again. */
export function repliesText(before: Transaction, after: Transaction): string | null {
  const isSame = after.branches.every((branch, index) => branch.reply === (before.branches[index]?.reply ?? null));
  return isSame ? null : JSON.stringify(after.branches.map((branch) => branch.reply));
}
