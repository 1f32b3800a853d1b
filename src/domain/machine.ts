/**
 * The machine. It says what a transaction does next; it calls nobody, waits for nothing and reads no clock.
 *
 * `advance` folds what happened (answers of participants, the time) into the transaction and returns a step:
 * the new transaction, whether it must be durable before anything else leaves the process, the calls that are
 * due, and when to look again. The driver performs the step and comes back with the answers.
 *
 * M1. A decision is made once: only `open` moves to `committing` or `aborting` (LEGAL_MOVES).
 * M2. A step that decides, parks or ends asks for a save; its calls may leave only after that save.
 * M3. A branch with a call under way gets no second one, however slow it is.
 * M4. Pending and postponed answers use up no attempt; age counts whatever the answers were.
 * M5. A branch that is given up after the decision parks the transaction; the others go on to their end.
 * M6. A transaction that a person parked gets no call; answers under way and its deadline still count.
 */
import { LIMITS } from '../protocol/words.js';
import type { BranchState, Mode, Op, Reason, RetryPolicy } from '../protocol/words.js';
import { drawFrom, pendingDelay, retryDelay } from './retry.js';
import { tcc } from './tcc.js';
import { decide, isEnded, isHeld, move } from './transaction.js';
import type { Answer, Branch, Call, Circumstances, ModeRules, Parked, Step, Transaction } from './transaction.js';

const DONE_STATE: Readonly<Partial<Record<Op, BranchState>>> = {
  try: 'done',
  action: 'done',
  confirm: 'confirmed',
  cancel: 'cancelled',
  compensate: 'compensated',
  deliver: 'delivered',
};

/** A participant that says `Retry-After: 0` is not asked as fast as it answers. */
const PENDING_MIN_MS = 100;

/** Only these operations may say no; a refused confirm or cancel is a failure to be retried. */
const MAY_REFUSE: ReadonlySet<Op> = new Set<Op>(['try', 'action', 'check']);
const FIRST_PHASE: ReadonlySet<Op> = new Set<Op>(['try', 'action']);

function rulesOf(mode: Mode): ModeRules {
  if (mode === 'tcc') return tcc;
  throw new Error(`mode ${mode} has no rules yet`);
}

/** The operation that a branch needs now; null: none. */
export function opOf(tx: Transaction, branchId: string): Op | null {
  const branch = tx.branches.find((candidate) => candidate.branchId === branchId);
  return branch ? rulesOf(tx.mode).opOf(tx, branch) : null;
}

/** Whether a call of this operation may still leave: one that waited in line may be one of the past. */
export function mayCall(tx: Transaction, branchId: string, op: Op): boolean {
  return !isHeld(tx) && opOf(tx, branchId) === op;
}

export function advance(before: Transaction, answers: readonly Answer[], at: Circumstances): Step {
  if (isEnded(before)) return { tx: before, save: null, calls: [], wakeAt: null };
  const rules = rulesOf(before.mode);
  let tx = answers.reduce((folded, answer) => fold(folded, answer, rules, at), before);
  tx = giveUpAged(tx, rules, at);

  let save: Step['save'] = attemptsToSave(tx, at);
  if (tx.status === 'open') {
    const verdict = rules.verdict(tx) ?? overdue(tx, at.now);
    if (verdict) {
      tx = decide(tx, verdict.decision, verdict.reason, at.now);
      save = 'decided';
    }
  }
  if (tx.status === 'committing' || tx.status === 'aborting') {
    if (tx.branches.every((branch) => rules.opOf(tx, branch) === null)) {
      tx = { ...move(tx, tx.status === 'committing' ? 'committed' : 'aborted'), endedAt: at.now, parked: null };
      return { tx, save: 'ended', calls: [], wakeAt: null };
    }
    const parked = tx.parked ?? parkedBy(tx, rules, at.now);
    if (parked !== tx.parked) {
      tx = { ...tx, parked };
      save = save === 'decided' ? save : 'parked';
    }
  }
  return dispatch(tx, save, rules, at);
}

function fold(tx: Transaction, answer: Answer, rules: ModeRules, at: Circumstances): Transaction {
  const index = tx.branches.findIndex((branch) => branch.branchId === answer.branchId);
  const branch = tx.branches[index];
  // An answer to a try that comes after the decision changes nothing: the decision already covers the branch.
  if (!branch || rules.opOf(tx, branch) !== answer.op) return tx;
  const branches = tx.branches.slice();
  const after = answered(branch, answer, tx.gid, at);
  branches[index] = after;
  if (repliesTooLong(branches)) branches[index] = { ...after, reply: null };
  return { ...tx, branches };
}

/** Whether the replies of all branches, as UTF-8, pass the limit: the one that does so is kept as null. */
function repliesTooLong(branches: readonly Branch[]): boolean {
  const chars = branches.reduce((sum, { reply }) => sum + (reply?.length ?? 0), 0);
  // A character takes at most three bytes, so that most transactions need no counting.
  if (chars * 3 <= LIMITS.repliesBytesPerTransaction) return false;
  const encoder = new TextEncoder();
  const bytes = branches.reduce((sum, { reply }) => sum + (reply === null ? 0 : encoder.encode(reply).length), 0);
  return bytes > LIMITS.repliesBytesPerTransaction;
}

function answered(branch: Branch, { op, outcome }: Answer, gid: string, at: Circumstances): Branch {
  const policy = at.policyOf(branch.component);
  switch (outcome.kind) {
    case 'done':
      return {
        ...branch,
        state: DONE_STATE[op] ?? branch.state,
        attempts: branch.attempts + 1,
        retryAt: null,
        reply: FIRST_PHASE.has(op) ? outcome.reply : branch.reply,
      };
    case 'refused':
      if (MAY_REFUSE.has(op)) {
        return { ...branch, state: 'refused', attempts: branch.attempts + 1, retryAt: null, gaveUp: outcome.reason };
      }
      return failed(branch, op, `refused: ${outcome.reason}`, policy, gid, at.now);
    case 'unknown':
      return failed(branch, op, outcome.detail, policy, gid, at.now);
    case 'pending':
      return {
        ...branch,
        retryAt: at.now + Math.max(PENDING_MIN_MS, outcome.retryAfterMs ?? patience(branch, op, policy, gid, at.now)),
      };
    case 'postponed':
      return { ...branch, retryAt: at.now + outcome.retryAfterMs };
  }
}

function failed(branch: Branch, op: Op, detail: string, policy: RetryPolicy, gid: string, now: number): Branch {
  const attempts = branch.attempts + 1;
  const limit = FIRST_PHASE.has(op) ? policy.tryAttempts : policy.maxAttempts;
  if (attempts >= limit) {
    return { ...branch, attempts, retryAt: null, gaveUp: `${op} failed ${attempts} times, the last time: ${detail}` };
  }
  return { ...branch, attempts, retryAt: now + pause({ ...branch, attempts }, op, policy, gid) };
}

function pause(branch: Branch, op: Op, policy: RetryPolicy, gid: string): number {
  return retryDelay(
    policy,
    Math.max(1, branch.attempts),
    drawFrom(`${gid}/${branch.branchId}/${op}/${branch.attempts}`),
  );
}

function patience(branch: Branch, op: Op, policy: RetryPolicy, gid: string, now: number): number {
  const waitedMs = now - (branch.since ?? now);
  return pendingDelay(policy, waitedMs, drawFrom(`${gid}/${branch.branchId}/${op}/pending/${waitedMs}`));
}

function giveUpAged(tx: Transaction, rules: ModeRules, at: Circumstances): Transaction {
  const isAged = (branch: Branch): boolean =>
    branch.gaveUp === null &&
    branch.since !== null &&
    !at.inFlight.has(branch.branchId) &&
    at.now - branch.since >= at.policyOf(branch.component).maxAgeMs &&
    rules.opOf(tx, branch) !== null;
  if (!tx.branches.some(isAged)) return tx;
  const branches = tx.branches.map((branch) =>
    isAged(branch)
      ? { ...branch, retryAt: null, gaveUp: `${rules.opOf(tx, branch) ?? ''} had no answer within maxAgeMs` }
      : branch,
  );
  return { ...tx, branches };
}

/**
 * After the decision a pass that did not end it is written down once all its calls are back: a coordinator that crashes
 * again and again still reaches the limit and parks, and what comes back after another branch parked is known to whoever
 * settles it. Before the decision the deadline bounds the attempts.
 */
function attemptsToSave(tx: Transaction, at: Circumstances): 'attempts' | null {
  if (tx.status === 'open' || at.inFlight.size > 0) return null;
  const isUnsaved = ({ state, attempts, gaveUp }: Branch, index: number): boolean => {
    const saved = at.saved.branches[index];
    return state !== saved?.state || attempts !== saved.attempts || gaveUp !== saved.gaveUp;
  };
  return tx.branches.some(isUnsaved) ? 'attempts' : null;
}

function overdue(tx: Transaction, now: number): { decision: 'abort'; reason: Reason } | null {
  if (tx.deadlineAt === null || now < tx.deadlineAt) return null;
  return { decision: 'abort', reason: { kind: 'deadline', detail: 'no decision before the deadline' } };
}

function parkedBy(tx: Transaction, rules: ModeRules, now: number): Parked | null {
  const branch = tx.branches.find((candidate) => candidate.gaveUp !== null && rules.opOf(tx, candidate) !== null);
  return branch ? { at: now, branchId: branch.branchId, op: rules.opOf(tx, branch), why: branch.gaveUp ?? '' } : null;
}

/** Collects the calls that are due and the next time that anything is. */
function dispatch(tx: Transaction, save: Step['save'], rules: ModeRules, at: Circumstances): Step {
  const calls: Call[] = [];
  let wakeAt = tx.status === 'open' ? tx.deadlineAt : null;
  if (isHeld(tx)) return { tx, save, calls, wakeAt };
  const branches = tx.branches.map((branch) => {
    const op = rules.opOf(tx, branch);
    if (op === null || branch.gaveUp !== null || at.inFlight.has(branch.branchId)) return branch;
    if (branch.retryAt !== null && branch.retryAt > at.now) {
      const agedAt = (branch.since ?? at.now) + at.policyOf(branch.component).maxAgeMs;
      wakeAt = Math.min(wakeAt ?? Infinity, branch.retryAt, agedAt);
      return branch;
    }
    calls.push({ branchId: branch.branchId, op, attempt: branch.attempts + 1 });
    return { ...branch, since: branch.since ?? at.now };
  });
  return { tx: calls.length > 0 ? { ...tx, branches } : tx, save, calls, wakeAt };
}
