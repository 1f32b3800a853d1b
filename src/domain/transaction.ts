/**
 * A global transaction and the moves it can make.
 *
 *   open ──▶ committing ──▶ committed
 *     └────▶ aborting ────▶ aborted
 */
import { CHECK_BRANCH } from '../protocol/words.js';
import type {
  BranchState,
  CheckPolicy,
  Decision,
  Drive,
  Mode,
  Op,
  Reason,
  Recovery,
  RetryPolicy,
  Status,
} from '../protocol/words.js';

/** What a saga says of one of its branches. */
export interface BranchPlan {
  /** Positions of the branches that must be done before it starts. */
  readonly after: readonly number[];
  /** Whether an abort undoes it once it was started. */
  readonly compensate: boolean;
  /** Whether its success is the decision `commit`. */
  readonly pivot: boolean;
  /** How long one call may take, ms; default: what the component says. */
  readonly timeoutMs?: number;
  /** How long after its start the action must be done, ms. */
  readonly deadlineMs?: number;
  /** What differs for the action from the policy of the component. */
  readonly retry?: Partial<RetryPolicy>;
  /** The same for its compensation. */
  readonly compensateRetry?: Partial<RetryPolicy>;
}

/** What a saga says of itself. */
export interface SagaPlan {
  readonly recovery: Recovery;
  /** Branches that may run at a time. */
  readonly parallel: number;
}

/** What a message says of itself. */
export interface MessagePlan {
  readonly check: CheckPolicy;
  /** Nothing is delivered before, ms; null: it goes out once it is decided. */
  readonly deliverAt: number | null;
}

/** Where a delivery goes that no component gets. */
export interface Topic {
  readonly topic: string;
  readonly key: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** When a branch ran, in steps of its transaction: each start and each success is one. */
export interface Span {
  readonly from: number;
  /** Null: its action is not known to have succeeded. */
  readonly to: number | null;
}

export interface Branch {
  readonly branchId: string;
  /** Empty: it goes to a topic. */
  readonly component: string;
  /** JSON text, handed on as it came. */
  readonly payload: string;
  readonly state: BranchState;
  /** Calls of the current operation that used up an attempt. */
  readonly attempts: number;
  /** Calls of the operation before the decision that did. */
  readonly tries: number;
  /** When the current operation became due, ms: what maxAgeMs counts from. Null: its turn has not come. */
  readonly since: number | null;
  /** Not to be called before, ms. */
  readonly retryAt: number | null;
  /** JSON text of what try or action answered. */
  readonly reply: string | null;
  /** Why the current operation is no longer called by itself. */
  readonly gaveUp: string | null;
  /** Of a branch of a saga; else null. */
  readonly plan: BranchPlan | null;
  /** Null: not started, or of no saga. */
  readonly span: Span | null;
  /** Of a delivery to Kafka; else null. */
  readonly topic: Topic | null;
  /** It waits, and the log lets it be called before its start is recorded, so that it may have been. Of a saga. */
  readonly ahead: boolean;
}

export interface Parked {
  readonly at: number;
  /** Null: a person parked all of it. */
  readonly branchId: string | null;
  readonly op: Op | null;
  readonly why: string;
}

export interface Transaction {
  readonly gid: string;
  readonly mode: Mode;
  readonly drive: Drive;
  readonly businessKey: string | null;
  readonly status: Status;
  readonly decision: Decision | null;
  readonly reason: Reason | null;
  readonly parked: Parked | null;
  readonly branches: readonly Branch[];
  readonly beganAt: number;
  readonly decidedAt: number | null;
  readonly endedAt: number | null;
  readonly deadlineAt: number | null;
  /** Of a saga; else null. */
  readonly plan: SagaPlan | null;
  /** Of a message; else null. Its first branch is the check. */
  readonly message: MessagePlan | null;
  /** The trace that it belongs to; null: none that came with it, and none is kept. */
  readonly trace: string | null;
  /** The release of the coordinators' configuration that it began under; null: there was none. */
  readonly release: number | null;
}

/** What a participant answered. `postponed`: it was not asked at all (its circuit breaker is open). */
export type Outcome =
  | { readonly kind: 'done'; readonly reply: string | null }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'pending'; readonly retryAfterMs: number | null }
  | { readonly kind: 'postponed'; readonly retryAfterMs: number }
  /** `hasLeft`: not a byte was sent, so that the service knows nothing of it. */
  | { readonly kind: 'unknown'; readonly detail: string; readonly hasLeft?: false };

export interface Answer {
  readonly branchId: string;
  readonly op: Op;
  readonly outcome: Outcome;
}

export interface Call {
  readonly branchId: string;
  readonly op: Op;
  /** 1 for the first. */
  readonly attempt: number;
}

export interface Circumstances {
  readonly now: number;
  /** The transaction as it was last made durable. */
  readonly saved: Transaction;
  /** Branches with a call under way. */
  readonly inFlight: Pick<ReadonlySet<string>, 'has' | 'size'>;
  /** Until when branches may be called ahead of the log, ms; null: others may have called them, nobody here knows. */
  readonly aheadUntil: number | null;
  policyOf(component: string): RetryPolicy;
}

export interface Step {
  readonly tx: Transaction;
  /** What must be durable before the calls leave and before anybody is told. */
  readonly save: 'decided' | 'parked' | 'ended' | 'started' | 'attempts' | null;
  readonly calls: readonly Call[];
  /** When to advance again if no answer comes first; null: only an answer or a request changes anything. */
  readonly wakeAt: number | null;
}

/** What one mode adds to the machine. */
export interface ModeRules {
  /** The operation that the branch needs, now or when its turn comes; null: it needs none before the next decision. */
  opOf(tx: Transaction, branch: Branch): Op | null;
  /** Tells of each branch that needs an operation whether its turn has come. */
  turns(tx: Transaction): (branch: Branch) => boolean;
  /** Calls that may be under way at a time. */
  parallel(tx: Transaction): number;
  /** Starts the branches whose turn has come; the same transaction where there are none. */
  start(tx: Transaction, now: number): Transaction;
  /** When `start` has something to do that only the time brings, ms; null: never. */
  startsAt(tx: Transaction): number | null;
  /** The decision that the branches of an open transaction call for, or null. */
  verdict(tx: Transaction, now: number): { decision: Decision; reason: Reason | null } | null;
}

export const LEGAL_MOVES: Readonly<Record<Status, readonly Status[]>> = {
  open: ['committing', 'aborting'],
  committing: ['committed'],
  aborting: ['aborted'],
  committed: [],
  aborted: [],
};

export function isEnded(tx: Transaction): boolean {
  return tx.status === 'committed' || tx.status === 'aborted';
}

/** The decision and what follows from it for the branches: each starts its next operation afresh. */
export function decide(tx: Transaction, decision: Decision, reason: Reason | null, now: number): Transaction {
  return {
    ...tx,
    status: moved(tx, decision === 'commit' ? 'committing' : 'aborting'),
    decision,
    reason,
    // What one branch was parked for before the decision is settled by it.
    parked: isHeld(tx) ? tx.parked : null,
    decidedAt: now,
    branches: tx.branches.map((branch) => restarted(branch, dueAt(tx.mode, now), branch.attempts)),
  };
}

/** Whether branches may join it after its begin: deliveries of a message are all there with the half message. */
export function takesBranches({ drive, mode }: Pick<Transaction, 'drive' | 'mode'>): boolean {
  return drive === 'initiator' && mode === 'tcc';
}

/** A person stopped it: nothing is called, whatever its status, until a person lets it go on. */
export function isHeld({ parked }: Transaction): boolean {
  return parked !== null && parked.branchId === null;
}

/** The status that it moves to. @throws Error where it cannot */
export function moved(tx: Transaction, to: Status): Status {
  if (!LEGAL_MOVES[tx.status].includes(to)) throw new Error(`${tx.gid}: ${tx.status} cannot become ${to}`);
  return to;
}

/** When the operations that follow a decision become due; null: as their turns come. */
export function dueAt(mode: Mode, decidedAt: number): number | null {
  return mode === 'tcc' ? decidedAt : null;
}

/** Whether it asks the producer of a message, and delivers nothing. */
export function isCheck({ mode }: Pick<Transaction, 'mode'>, { branchId }: Pick<Branch, 'branchId'>): boolean {
  return mode === 'message' && branchId === CHECK_BRANCH;
}

/** The branch at the start of its next operation. @param tries attempts of the one before the decision */
export function restarted(branch: Branch, since: number | null, tries = branch.tries): Branch {
  return { ...branch, attempts: 0, tries, since, retryAt: null, gaveUp: null };
}
