/**
 * What a person on call does to an unfinished transaction. Each gives the transaction after it, the very one it got
 * when there is nothing to do, or in words why it cannot be done.
 */
import { isItsTurn, opOf } from './machine.js';
import { isReady } from './saga.js';
import { isHeld, restarted } from './transaction.js';
import type { Branch, Transaction } from './transaction.js';

/**
 * Goes on: what a person parked may be called again, what was given up begins again with its first attempt. The time
 * that a person parked it counts as nobody's age.
 */
export function resume(tx: Transaction, now: number): Transaction {
  if (tx.parked === null) return tx;
  const resumed = (branch: Branch): Branch => {
    if (branch.gaveUp !== null) return restarted(branch, now);
    if (!isHeld(tx) || opOf(tx, branch.branchId) === null || !isItsTurn(tx, branch.branchId)) return branch;
    return { ...branch, since: now };
  };
  return { ...tx, parked: null, branches: tx.branches.map(resumed) };
}

/** As `resume`, and what waits for its next attempt is called now. */
export function retry(tx: Transaction, now: number): Transaction {
  const resumed = resume(tx, now);
  return { ...resumed, branches: resumed.branches.map((branch) => ({ ...branch, retryAt: null })) };
}

/** Nothing more is called; calls under way still count, and so does the deadline of an open transaction. */
export function park(tx: Transaction, now: number, why: string): Transaction {
  return isHeld(tx) ? tx : { ...tx, parked: { at: now, branchId: null, op: null, why } };
}

/** Takes a parked branch for done: what became of it is settled elsewhere, and the transaction may end. */
export function force(tx: Transaction, branchId: string): Transaction | string {
  const branch = tx.branches.find((candidate) => candidate.branchId === branchId);
  if (branch?.state === 'forced') return tx;
  const problem = unforceable(tx, branch);
  if (problem !== null) return problem;
  const branches = tx.branches.map((candidate) =>
    candidate === branch
      ? { ...branch, state: 'forced' as const, ahead: false, retryAt: null, gaveUp: null }
      : candidate,
  );
  const forced = { ...tx, branches };
  // Nothing is left to be held up: it ends, and whoever waits for that is not told of a parked one.
  const isLast = branches.every((candidate) => opOf(forced, candidate.branchId) === null);
  // If another one was given up, that one parks it again.
  return { ...forced, parked: isLast || tx.parked?.branchId === branchId ? null : tx.parked };
}

function unforceable(tx: Transaction, branch: Branch | undefined): string | null {
  if (!branch) return 'there is no such branch';
  if (tx.decision === null) {
    return `the transaction is not decided; ${tx.mode === 'message' ? 'commit or abort it' : 'abort it'}`;
  }
  const op = opOf(tx, branch.branchId);
  if (op === null) return `the branch is ${branch.state}: there is nothing left to do`;
  // Else what comes after it would be called too early.
  if (op !== 'compensate' && branch.state === 'waiting' && !isReady(tx, branch))
    return 'what it comes after is not done';
  if (branch.gaveUp === null && !isHeld(tx)) return 'the branch is still called; park the transaction first';
  return null;
}
