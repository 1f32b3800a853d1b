/** Half messages for tests of the machine: what a begin makes of them, and steps from there. */
import { advance } from '../../src/domain/machine.js';
import type { Answer, Outcome, Step, Transaction } from '../../src/domain/transaction.js';
import { openTransaction } from '../../src/engine/begin.js';
import { CHECK_BRANCH } from '../../src/protocol/words.js';
import type { CheckPolicy, Op, RetryPolicy } from '../../src/protocol/words.js';

export const POLICY: RetryPolicy = {
  baseMs: 100,
  factor: 2,
  capMs: 1000,
  jitter: 0,
  maxAttempts: 3,
  maxAgeMs: 86_400_000,
  tryAttempts: 2,
};
export const CHECK: CheckPolicy = { afterMs: 6000, intervalMs: 30_000, maxAttempts: 4 };

export const DONE: Outcome = { kind: 'done', reply: null };
export const REFUSED: Outcome = { kind: 'refused', reason: 'rolled back' };
export const UNKNOWN: Outcome = { kind: 'unknown', detail: 'status 500' };
export const AWAY: Outcome = { kind: 'unknown', detail: 'connection refused', hasLeft: false };
export const pending = (retryAfterMs: number | null = null): Outcome => ({ kind: 'pending', retryAfterMs });

export interface Half {
  readonly gid?: string;
  readonly check?: Partial<CheckPolicy>;
  readonly deliverAt?: number | null;
}

/** Begun at 0, checked at 'orders'. @param to `topic:name` or the name of a component, for each delivery */
export function half(to: readonly string[], { gid = 'g', check = {}, deliverAt = null }: Half = {}): Transaction {
  const message = { check: { ...CHECK, ...check }, deliverAt };
  const deliveries = to.map((name, index) => {
    const isTopic = name.startsWith('topic:');
    const topic = isTopic ? { topic: name.slice(6), key: 'order-17', headers: {} } : null;
    return { branchId: `d${index}`, component: isTopic ? '' : name, payload: '{"paid":300}', topic };
  });
  const branches = [{ branchId: CHECK_BRANCH, component: 'orders', payload: '{}' }, ...deliveries];
  const request = { gid, contentHash: 'x', mode: 'message', drive: 'initiator', businessKey: null } as const;
  return openTransaction(
    gid,
    { ...request, deadlineMs: null, branches, message },
    { plans: [], message, trace: null, release: null },
    0,
  );
}

export function step(tx: Transaction, answers: Answer[] = [], now = 1, inFlight: string[] = [], saved = tx): Step {
  return advance(tx, answers, { now, saved, inFlight: new Set(inFlight), aheadUntil: null, policyOf: () => POLICY });
}

export const answer = (branchId: string, op: Op, outcome: Outcome): Answer => ({ branchId, op, outcome });
export const checked = (outcome: Outcome): Answer[] => [answer(CHECK_BRANCH, 'check', outcome)];

/** The same answer to each check that comes, until none does; gives when each was made. */
export function checks(from: Transaction, outcome: Outcome, most = 50): { tx: Transaction; madeAt: number[] } {
  const madeAt: number[] = [];
  let { tx, calls, wakeAt } = step(from, [], from.beganAt);
  for (let now = from.beganAt; madeAt.length < most;) {
    if (calls.length > 0) {
      madeAt.push(now);
      ({ tx, calls, wakeAt } = step(tx, checked(outcome), now));
    } else if (wakeAt === null) break;
    else ({ tx, calls, wakeAt } = step(tx, [], (now = wakeAt)));
  }
  return { tx, madeAt };
}

export const callsOf = ({ calls }: Step): string[] =>
  calls.map(({ op, branchId, attempt }) => `${op} ${branchId} #${attempt}`);
/** The states of the deliveries. */
export const states = ({ branches }: Transaction): string[] => branches.slice(1).map(({ state }) => state);
