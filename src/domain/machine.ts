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
 * M6. A transaction that a person parked gets no call from whoever knows of it; answers under way and its deadline count.
 * M7. What the begin of a saga lets ahead of the log is called without a save for a while (S5). The next step that asks
 *     for one tells what was called and what was not.
 */
import { LIMITS } from '../protocol/words.js';
import type { BranchState, Decision, Mode, Op, Reason, RetryPolicy } from '../protocol/words.js';
import { agedAt, patience, pause, policyOf } from './pace.js';
import { message } from './message.js';
import { begunAhead, deadlineOf, nextStep, noneAhead, saga } from './saga.js';
import { tcc } from './tcc.js';
import { decide, isEnded, isHeld, moved } from './transaction.js';
import type { Answer, Branch, Call, Circumstances, ModeRules, Parked, Step, Transaction } from './transaction.js';

const DONE_STATE: Readonly<Record<Op, BranchState>> = {
  try: 'done',
  action: 'done',
  check: 'done',
  confirm: 'confirmed',
  cancel: 'cancelled',
  compensate: 'compensated',
  deliver: 'delivered',
};

/** What a parked saga is that could not be undone: the first thing that anybody reads of it. */
const INCOMPLETE = 'rollback incomplete: ';

/** A participant that says `Retry-After: 0` is not asked as fast as it answers. */
const PENDING_MIN_MS = 100;

/** Only these operations may say no; a refused confirm or cancel is a failure to be retried. */
const MAY_REFUSE: ReadonlySet<Op> = new Set<Op>(['try', 'action', 'check']);
const FIRST_PHASE: ReadonlySet<Op> = new Set<Op>(['try', 'action']);

function rulesOf(mode: Mode): ModeRules {
  switch (mode) {
    case 'tcc':
      return tcc;
    case 'saga':
      return saga;
    case 'message':
      return message;
  }
}

/** The operation that a branch needs, now or when its turn comes; null: none. */
export function opOf(tx: Transaction, branchId: string): Op | null {
  const branch = tx.branches.find((candidate) => candidate.branchId === branchId);
  return branch ? rulesOf(tx.mode).opOf(tx, branch) : null;
}

/** Whether a call of this operation may still leave: one that waited in line may be one of the past. */
export function mayCall(tx: Transaction, branchId: string, op: Op): boolean {
  const isGivenUp = (branch: Branch): boolean => branch.branchId === branchId && branch.gaveUp !== null;
  return !isHeld(tx) && opOf(tx, branchId) === op && isItsTurn(tx, branchId) && !tx.branches.some(isGivenUp);
}

/** Whether the branch may be called as far as the others go. */
export function isItsTurn(tx: Transaction, branchId: string): boolean {
  const branch = tx.branches.find((candidate) => candidate.branchId === branchId);
  return branch !== undefined && rulesOf(tx.mode).turns(tx)(branch);
}

/** A transaction that begins, with those of its branches started that are called first. */
export function begun(tx: Transaction, now: number): Transaction {
  const decided = tx.plan?.recovery === 'forward' ? decide(tx, 'commit', null, now) : tx;
  return begunAhead(rulesOf(tx.mode).start(decided, now));
}

/** A transaction that somebody outside decides, with what starts at once. */
export function decidedBy(tx: Transaction, decision: Decision, reason: Reason | null, now: number): Transaction {
  return started(decide(tx, decision, reason, now), rulesOf(tx.mode), now);
}

/** A decided transaction, ended where nothing is left to do. */
export function endedIfThrough(tx: Transaction, now: number): Transaction {
  return isThrough(tx, rulesOf(tx.mode)) ? ended(tx, now) : tx;
}

export function advance(before: Transaction, answers: readonly Answer[], at: Circumstances): Step {
  if (isEnded(before)) return { tx: before, save: null, calls: [], wakeAt: null };
  const rules = rulesOf(before.mode);
  let tx = answers.reduce((folded, answer) => fold(folded, answer, rules, at), before);
  // What a person holds up is of nobody's age: `resume` says so too.
  if (!isHeld(tx)) tx = giveUpAged(tx, rules, at);

  let save: Step['save'] = attemptsToSave(tx, at);
  const until = aheadUntil(at);
  if (until !== null && at.now >= until) save ??= 'started';
  tx = decided(tx, rules, at.now);
  const begins = started(tx, rules, at.now);
  // One that cannot be started decides it.
  if (begins !== tx) [tx, save] = [decided(begins, rules, at.now), until === null ? 'started' : save];
  if (before.status === 'open' && tx.status !== 'open') save = 'decided';
  if (until !== null && save !== null) tx = { ...tx, branches: noneAhead(tx.branches) };
  if (isThrough(tx, rules)) return { tx: ended(tx, at.now), save: 'ended', calls: [], wakeAt: null };
  const parked = tx.parked ?? parkedBy(tx, rules, at.now);
  if (parked !== tx.parked) {
    tx = { ...tx, parked };
    save = save === 'decided' ? save : 'parked';
  }
  return dispatch(tx, save, rules, at);
}

/** Until when branches may be called with no save in between, ms; null: not at all. */
function aheadUntil(at: Circumstances): number | null {
  return at.aheadUntil !== null && at.saved.branches.some(({ ahead }) => ahead) ? at.aheadUntil : null;
}

function started(tx: Transaction, rules: ModeRules, now: number): Transaction {
  return isHeld(tx) ? tx : rules.start(tx, now);
}

/** Whether the decision is carried out. */
function isThrough(tx: Transaction, rules: ModeRules): boolean {
  return tx.decision !== null && tx.branches.every((branch) => rules.opOf(tx, branch) === null);
}

function ended(tx: Transaction, now: number): Transaction {
  const status = moved(tx, tx.status === 'committing' ? 'committed' : 'aborted');
  return { ...tx, status, endedAt: now, parked: null };
}

/** The transaction with the decision that its branches or its deadline call for, if they do. */
function decided(tx: Transaction, rules: ModeRules, now: number): Transaction {
  const verdict = tx.status === 'open' ? (rules.verdict(tx, now) ?? overdue(tx, now)) : null;
  return verdict ? decide(tx, verdict.decision, verdict.reason, now) : tx;
}

function fold(tx: Transaction, answer: Answer, rules: ModeRules, at: Circumstances): Transaction {
  const index = tx.branches.findIndex((branch) => branch.branchId === answer.branchId);
  const branch = tx.branches[index];
  // An answer to a try that comes after the decision changes nothing: the decision already covers the branch.
  if (!branch || rules.opOf(tx, branch) !== answer.op) return tx;
  // It was called ahead of the log, and what was known of those before it is lost: it is asked again in its turn.
  if (branch.ahead && answer.op === 'action') return tx;
  const branches = tx.branches.slice();
  let after = answered(branch, answer, tx, at);
  const isSuccess = after.state === 'done' && branch.state !== 'done';
  if (after.span && isSuccess) after = { ...after, span: { ...after.span, to: nextStep(tx) } };
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

function answered(branch: Branch, { op, outcome }: Answer, tx: Transaction, at: Circumstances): Branch {
  const policy = policyOf(tx, branch, op, at);
  switch (outcome.kind) {
    case 'done':
      return {
        ...branch,
        state: DONE_STATE[op],
        ahead: false,
        attempts: branch.attempts + 1,
        retryAt: null,
        reply: FIRST_PHASE.has(op) ? outcome.reply : branch.reply,
      };
    case 'refused':
      if (MAY_REFUSE.has(op) && tx.status === 'open') {
        return { ...branch, state: 'refused', attempts: branch.attempts + 1, retryAt: null, gaveUp: outcome.reason };
      }
      return failed(branch, op, `refused: ${outcome.reason}`, policy, tx, at.now);
    case 'unknown':
      // Only a check that reached its producer is counted: one that is away for long says nothing by it.
      if (op === 'check' && outcome.hasLeft === false) {
        return { ...branch, retryAt: at.now + patience(branch, op, policy, tx.gid, at.now) };
      }
      return failed(branch, op, outcome.detail, policy, tx, at.now);
    case 'pending': {
      const pauseMs = outcome.retryAfterMs ?? patience(branch, op, policy, tx.gid, at.now);
      const retryAt = at.now + Math.max(PENDING_MIN_MS, pauseMs);
      if (op !== 'check') return { ...branch, retryAt };
      const asked = failed(branch, op, 'its producer does not know yet', policy, tx, at.now);
      return asked.gaveUp === null && outcome.retryAfterMs !== null ? { ...asked, retryAt } : asked;
    }
    case 'postponed':
      return { ...branch, retryAt: at.now + outcome.retryAfterMs };
  }
}

function failed(
  branch: Branch,
  op: Op,
  detail: string,
  policy: RetryPolicy,
  { gid, status }: Transaction,
  now: number,
): Branch {
  const attempts = branch.attempts + 1;
  const limit = status === 'open' ? policy.tryAttempts : policy.maxAttempts;
  if (attempts >= limit) {
    return { ...branch, attempts, retryAt: null, gaveUp: `${op} failed ${attempts} times, the last time: ${detail}` };
  }
  return { ...branch, attempts, retryAt: now + pause({ ...branch, attempts }, op, policy, gid) };
}

function giveUpAged(tx: Transaction, rules: ModeRules, at: Circumstances): Transaction {
  // Nothing is that old yet: most transactions need no look at what each branch needs.
  const isOld = ({ since, gaveUp }: Branch): boolean => since !== null && since < at.now && gaveUp === null;
  if (!tx.branches.some(isOld)) return tx;
  const isItsTurn = rules.turns(tx);
  let isChanged = false;
  const branches = tx.branches.map((branch) => {
    if (!isOld(branch) || at.inFlight.has(branch.branchId)) return branch;
    const op = rules.opOf(tx, branch);
    if (op === null || at.now < agedAt(tx, branch, op, at) || !isItsTurn(branch)) return branch;
    // However long nobody was there to ask: it is asked once before it is given up.
    if (op === 'check' && (branch.retryAt ?? 0) <= at.now) return branch;
    isChanged = true;
    const limit = op === 'action' && at.now >= (deadlineOf(branch) ?? Infinity) ? 'deadlineMs' : 'maxAgeMs';
    return { ...branch, retryAt: null, gaveUp: `${op} had no answer within ${limit}` };
  });
  return isChanged ? { ...tx, branches } : tx;
}

/**
 * After the decision a pass that did not end it is written down once all its calls are back: a coordinator that crashes
 * again and again still reaches the limit and parks, and what comes back after another branch parked is known to whoever
 * settles it. Before the decision the deadline bounds the attempts, save of a message, which has none.
 */
function attemptsToSave(tx: Transaction, at: Circumstances): 'attempts' | null {
  if ((tx.status === 'open' && tx.mode !== 'message') || at.inFlight.size > 0) return null;
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
  if (!branch) return null;
  const op = rules.opOf(tx, branch);
  const why = branch.gaveUp ?? '';
  return { at: now, branchId: branch.branchId, op, why: op === 'compensate' ? `${INCOMPLETE}${why}` : why };
}

/** Collects the calls that are due and the next time that anything is. */
function dispatch(tx: Transaction, save: Step['save'], rules: ModeRules, at: Circumstances): Step {
  const calls: Call[] = [];
  let wakeAt = tx.status === 'open' ? tx.deadlineAt : null;
  // What waits for a time would be due at once, again and again, while a person holds it up.
  if (isHeld(tx)) return { tx, save, calls, wakeAt };
  wakeAt = earlier(wakeAt, rules.startsAt(tx));
  if (save === null) wakeAt = earlier(wakeAt, aheadUntil(at));
  const isItsTurn = rules.turns(tx);
  let room = rules.parallel(tx) - at.inFlight.size;
  let isChanged = false;
  const branches = tx.branches.map((branch) => {
    const op = rules.opOf(tx, branch);
    if (op === null || branch.gaveUp !== null || !isItsTurn(branch)) return branch;
    const isWaiting = branch.retryAt !== null && branch.retryAt > at.now;
    if (tx.status === 'open') wakeAt = earlier(wakeAt, deadlineOf(branch));
    if (at.inFlight.has(branch.branchId)) return branch;
    if (isWaiting) {
      wakeAt = earlier(earlier(wakeAt, branch.retryAt), agedAt(tx, branch, op, at));
      return branch;
    }
    if (room <= 0) return branch;
    room -= 1;
    calls.push({ branchId: branch.branchId, op, attempt: branch.attempts + 1 });
    if (branch.since !== null) return branch;
    isChanged = true;
    return { ...branch, since: at.now };
  });
  return { tx: isChanged ? { ...tx, branches } : tx, save, calls, wakeAt };
}

function earlier(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
