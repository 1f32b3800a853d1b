/**
 * Transactions as the wire shows them. Where a caller may not see payloads, what a service or an initiator said is
 * replaced: replies by null, texts by a fixed word; Tercet's own words and those of operators stay.
 */
import { isCheck } from '../domain/transaction.js';
import type { Branch, Transaction } from '../domain/transaction.js';
import type { BranchView, EventView, Json, Reason, TransactionView } from '../protocol/words.js';
import type { TimelineEvent } from './ports.js';

/** Whoever looks. */
interface Seer {
  readonly seesPayloads: boolean;
}

const HIDDEN = 'hidden';

const iso = (ms: number): string => new Date(ms).toISOString();
const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms));

export function transactionView(tx: Transaction, caller: Seer): TransactionView {
  const { reason, parked } = caller.seesPayloads ? tx : withoutQuotes(tx);
  return {
    gid: tx.gid,
    mode: tx.mode,
    businessKey: tx.businessKey,
    release: tx.release,
    status: tx.status,
    decision: tx.decision,
    reason,
    parked: parked && { ...parked, at: iso(parked.at) },
    ...tx.plan,
    ...messageView(tx),
    branches: tx.branches
      .filter((branch) => !isCheck(tx, branch))
      .map((branch) => ({ ...branchView(undoneAsStarted(branch, tx), caller), ...planView(branch, tx) })),
    beganAt: iso(tx.beganAt),
    decidedAt: isoOrNull(tx.decidedAt),
    endedAt: isoOrNull(tx.endedAt),
    deadlineAt: isoOrNull(tx.deadlineAt),
  };
}

/** What may have been called is undone as what was, and shown so. */
function undoneAsStarted(branch: Branch, { status }: Transaction): Branch {
  return branch.ahead && status === 'aborting' ? { ...branch, state: 'started' } : branch;
}

/** Attempts are those of the operation that was last asked: after the decision still the try's, until a confirm was. */
export function branchView(
  { branchId, component, state, attempts, tries, reply, topic: to }: Branch,
  { seesPayloads }: Seer,
): BranchView {
  return {
    branchId,
    component: to ? null : component,
    ...(to ? { topic: to.topic, key: to.key } : {}),
    state,
    attempts: attempts || tries,
    reply: reply === null || !seesPayloads ? null : (JSON.parse(reply) as Json),
  };
}

/** How the producer of a message is asked, and when it goes out. */
function messageView(tx: Transaction): Pick<TransactionView, 'check' | 'deliverAt'> {
  const [check] = tx.branches;
  if (!tx.message || !check) return {};
  const { component, attempts, tries, retryAt } = check;
  const nextAt = tx.status === 'open' && tx.parked === null ? isoOrNull(retryAt) : null;
  const shown = { component, attempts: attempts || tries, nextAt, ...tx.message.check };
  return { check: shown, deliverAt: isoOrNull(tx.message.deliverAt) };
}

/** How the graph of a saga goes. */
function planView({ plan }: Branch, { branches }: Transaction): Pick<BranchView, 'after' | 'compensate' | 'pivot'> {
  if (!plan) return {};
  const after = plan.after.flatMap((position) => branches[position]?.branchId ?? []);
  return { after, compensate: plan.compensate, pivot: plan.pivot };
}

export function eventView(event: TimelineEvent, { seesPayloads }: Seer): EventView {
  const { detail } = event;
  const shown = seesPayloads || detail === undefined ? {} : { detail: eventWithoutQuotes(event, detail) };
  return { ...event, ...shown, at: iso(event.at) };
}

function withoutQuotes({ reason, parked }: Transaction): Pick<Transaction, 'reason' | 'parked'> {
  return {
    reason: reason?.detail === undefined || isOwnWords(reason.kind) ? reason : { ...reason, detail: HIDDEN },
    // Without a branch it was parked by a person, in that person's words.
    parked: parked && { ...parked, why: parked.branchId === null ? parked.why : whyWithoutQuotes(parked.why) },
  };
}

/** Whether nobody but Tercet or an operator wrote the detail of such an abort. */
function isOwnWords(kind: Reason['kind']): boolean {
  return kind === 'deadline' || kind === 'operator';
}

function eventWithoutQuotes({ kind, branchId }: TimelineEvent, detail: string): string {
  switch (kind) {
    case 'begun':
    case 'paused':
    case 'operator':
    case 'ended':
      return detail;
    case 'call':
      return HIDDEN;
    case 'parked':
      return branchId === undefined ? detail : whyWithoutQuotes(detail);
    case 'decided': {
      const [fixed, decision, kind, said] = /^(\w+)(?:: (\w+|forward recovery)(, [^]*)?)?$/.exec(detail) ?? [];
      if (fixed === undefined) return HIDDEN;
      return said === undefined || isOwnWords(kind as Reason['kind']) ? detail : `${decision}: ${kind}, ${HIDDEN}`;
    }
  }
}

/** What comes behind the fixed words is what the service answered. */
function whyWithoutQuotes(why: string): string {
  if (/^(rollback incomplete: )?\w+ had no answer within (maxAgeMs|deadlineMs)$/.test(why)) return why;
  const [fixed = ''] = /^(rollback incomplete: )?\w+ failed \d+ times, the last time: /.exec(why) ?? [];
  return fixed + HIDDEN;
}
