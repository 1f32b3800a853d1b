/** Transactions as the wire shows them. */
import type { Branch, Transaction } from '../domain/transaction.js';
import type { TimelineEvent } from '../engine/ports.js';
import type { BranchView, EventView, Json, TransactionView } from '../protocol/words.js';

const iso = (ms: number): string => new Date(ms).toISOString();
const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms));

export function transactionView(tx: Transaction): TransactionView {
  return {
    gid: tx.gid,
    mode: tx.mode,
    businessKey: tx.businessKey,
    status: tx.status,
    decision: tx.decision,
    reason: tx.reason,
    parked: tx.parked && { ...tx.parked, at: iso(tx.parked.at) },
    branches: tx.branches.map(branchView),
    beganAt: iso(tx.beganAt),
    decidedAt: isoOrNull(tx.decidedAt),
    endedAt: isoOrNull(tx.endedAt),
    deadlineAt: isoOrNull(tx.deadlineAt),
  };
}

/** Attempts are those of the operation that was last asked: after the decision still the try's, until a confirm was. */
export function branchView({ branchId, component, state, attempts, tries, reply }: Branch): BranchView {
  return {
    branchId,
    component,
    state,
    attempts: attempts || tries,
    reply: reply === null ? null : (JSON.parse(reply) as Json),
  };
}

export function eventView(event: TimelineEvent): EventView {
  return { ...event, at: iso(event.at) };
}
