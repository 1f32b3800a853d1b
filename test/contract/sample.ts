/** Transactions for tests of the log. */
import { randomUUID } from 'node:crypto';
import type { Branch, Transaction } from '../../src/domain/transaction.js';

const BEGAN_AT = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

export const newGid = (): string => `gid-${randomUUID()}`;

export function branch(branchId: string, over: Partial<Branch> = {}): Branch {
  return {
    branchId,
    component: 'account',
    payload: '{"amount":300}',
    state: 'started',
    attempts: 0,
    tries: 0,
    since: BEGAN_AT,
    retryAt: null,
    reply: null,
    gaveUp: null,
    plan: null,
    span: null,
    topic: null,
    ...over,
  };
}

/** Open, just begun, with the branches `a` and `b` unless told otherwise. */
export function transaction(over: Partial<Transaction> = {}): Transaction {
  const beganAt = over.beganAt ?? BEGAN_AT;
  const branches = over.branches ?? [branch('a'), branch('b')];
  return {
    gid: newGid(),
    mode: 'tcc',
    drive: 'coordinator',
    businessKey: null,
    status: 'open',
    decision: null,
    reason: null,
    parked: null,
    beganAt,
    decidedAt: null,
    endedAt: null,
    deadlineAt: null,
    plan: null,
    message: null,
    trace: null,
    ...over,
    branches: branches.map((each) => ({ ...each, since: each.since === BEGAN_AT ? beganAt : each.since })),
  };
}

/** The same, committed. */
export function ended(tx: Transaction): Transaction {
  const at = tx.beganAt + 50;
  const branches = tx.branches.map((each) => ({ ...each, state: 'confirmed' as const, attempts: 1, since: at }));
  return { ...tx, status: 'committed', decision: 'commit', decidedAt: at, endedAt: at + 7, branches };
}

/** The same, decided for commit and parked. */
export function parked(tx: Transaction): Transaction {
  const at = tx.beganAt + 50;
  const [first, ...others] = tx.branches.map((each) => ({ ...each, state: 'done' as const, since: at }));
  const stuck = { ...first!, attempts: 25, gaveUp: 'confirm failed 25 times, the last time: no answer' };
  return {
    ...tx,
    status: 'committing',
    decision: 'commit',
    decidedAt: at,
    parked: { at: at + 9, branchId: stuck.branchId, op: 'confirm', why: stuck.gaveUp },
    branches: [stuck, ...others],
  };
}
