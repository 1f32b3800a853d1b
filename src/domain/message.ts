/**
 * Message: it goes out if and only if the producer's local transaction committed.
 *
 * X1. While nobody said what became of the local transaction, its producer is asked, and nothing is delivered.
 * X2. Only an answer decides. Silence never does: after enough checks a person is asked (G7).
 * X3. What goes to Kafka is queued by the write that records the decision, or with `deliverAt` by one after it.
 */
import type { CheckPolicy, RetryPolicy } from '../protocol/words.js';
import { isCheck } from './transaction.js';
import type { Branch, ModeRules, Transaction } from './transaction.js';

/** How the pauses between checks grow. */
const CHECK_PACE = { factor: 1.5, jitter: 0.2 };
/** No pause between checks is longer than so many first ones, jitter aside. */
const CHECK_CAP = 10;

export const message: ModeRules = {
  opOf(tx: Transaction, branch: Branch) {
    switch (tx.status) {
      case 'open':
        return isCheck(tx, branch) && branch.state === 'started' ? 'check' : null;
      case 'committing':
        return isCheck(tx, branch) || isThrough(branch) ? null : 'deliver';
      case 'aborting':
      case 'committed':
      case 'aborted':
        return null;
    }
  },

  turns: () => (branch: Branch) => branch.state === 'started' && branch.topic === null,
  parallel: () => Infinity,

  start(tx: Transaction, now: number) {
    if (tx.status !== 'committing' || now < (startsAt(tx) ?? Infinity)) return tx;
    const branches = tx.branches.map((branch) => {
      if (branch.state !== 'waiting') return branch;
      return { ...branch, state: branch.topic ? ('queued' as const) : ('started' as const), since: now };
    });
    return { ...tx, branches };
  },

  startsAt,

  verdict({ branches: [check] }: Transaction) {
    if (check?.state === 'done') return { decision: 'commit', reason: null };
    if (check?.state !== 'refused') return null;
    const { branchId, gaveUp } = check;
    return { decision: 'abort', reason: { kind: 'refused', branchId, detail: gaveUp ?? '' } };
  },
};

/** When what waits for nothing but the time goes out, ms. */
function startsAt({ status, branches, decidedAt, message: plan }: Transaction): number | null {
  if (status !== 'committing' || !branches.some(({ state }) => state === 'waiting')) return null;
  return plan?.deliverAt ?? decidedAt;
}

function isThrough({ state }: Branch): boolean {
  return state === 'delivered' || state === 'queued' || state === 'forced';
}

/** How often and how long the producer is asked; `policy` is that of its component. */
export function checkPolicy(policy: RetryPolicy, { intervalMs, maxAttempts }: CheckPolicy): RetryPolicy {
  const pace = { ...CHECK_PACE, baseMs: intervalMs, capMs: intervalMs * CHECK_CAP };
  // The count comes first: the age is for those that cannot be asked.
  const maxAgeMs = Math.max(policy.maxAgeMs, pace.capMs * maxAttempts);
  return { ...policy, ...pace, tryAttempts: maxAttempts, maxAgeMs };
}

/** The deliveries that `after` has put on their way to Kafka, and `before` had not. */
export function newlyQueued(before: Transaction, after: Transaction): Branch[] {
  if (after.mode !== 'message') return [];
  return after.branches.filter(({ state }, index) => state === 'queued' && before.branches[index]?.state !== 'queued');
}
