/** How often, how fast and for how long a branch is called. */
import type { Op, RetryPolicy } from '../protocol/words.js';
import { checkPolicy } from './message.js';
import { drawFrom, pendingDelay, retryDelay } from './retry.js';
import { deadlineOf } from './saga.js';
import type { Branch, Circumstances, Transaction } from './transaction.js';

/** The policy of the component, with what the transaction says otherwise of the branch. */
export function policyOf(
  { message: asked }: Transaction,
  { component, plan }: Branch,
  op: Op,
  at: Circumstances,
): RetryPolicy {
  const policy = at.policyOf(component);
  if (op === 'check' && asked) return checkPolicy(policy, asked.check);
  const own = op === 'compensate' ? plan?.compensateRetry : plan?.retry;
  return own ? { ...policy, ...own } : policy;
}

/** When a branch is given up whatever it answers, ms. While the transaction is open, a deadline of its own aborts it. */
export function agedAt(tx: Transaction, branch: Branch, op: Op, at: Circumstances): number {
  const overAt = (branch.since ?? at.now) + policyOf(tx, branch, op, at).maxAgeMs;
  // It bounds the action alone: to undo one that was too late may take as long as it takes.
  return tx.status === 'committing' ? Math.min(overAt, deadlineOf(branch) ?? Infinity) : overAt;
}

export function pause(branch: Branch, op: Op, policy: RetryPolicy, gid: string): number {
  return retryDelay(
    policy,
    Math.max(1, branch.attempts),
    drawFrom(`${gid}/${branch.branchId}/${op}/${branch.attempts}`),
  );
}

export function patience(branch: Branch, op: Op, policy: RetryPolicy, gid: string, now: number): number {
  const waitedMs = now - (branch.since ?? now);
  return pendingDelay(policy, waitedMs, drawFrom(`${gid}/${branch.branchId}/${op}/pending/${waitedMs}`));
}
