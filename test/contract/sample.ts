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
    ahead: false,
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
    release: null,
    ...over,
    branches: branches.map((each) => ({ ...each, since: each.since === BEGAN_AT ? beganAt : each.since })),
  };
}

/** The check of a message that is asked after a minute. */
export function checkBranch(over: Partial<Branch> = {}): Branch {
  return branch('check', { component: 'order', since: BEGAN_AT + 60_000, retryAt: BEGAN_AT + 60_000, ...over });
}

/** One that waits; to the topic `paid` under the key `k` unless told otherwise. */
export function delivery(branchId: string, over: Partial<Branch> = {}): Branch {
  const topic = over.component === undefined ? { topic: 'paid', key: 'k', headers: {} } : null;
  return branch(branchId, { component: '', payload: 'null', state: 'waiting', since: null, topic, ...over });
}

/** A half message with its check and one delivery to a topic, unless told otherwise. */
export function halfMessage(branches = [checkBranch(), delivery('a')], gid = newGid()): Transaction {
  const check = { afterMs: 60_000, intervalMs: 30_000, maxAttempts: 4 };
  return transaction({ gid, mode: 'message', drive: 'initiator', message: { check, deliverAt: null }, branches });
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
