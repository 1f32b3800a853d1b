import { advance } from '../../src/domain/machine.js';
import { force, park, resume, retry } from '../../src/domain/operator.js';
import { decide } from '../../src/domain/transaction.js';
import type { Answer, Outcome, Step, Transaction } from '../../src/domain/transaction.js';
import type { Op } from '../../src/protocol/words.js';

const policy = { baseMs: 100, factor: 2, capMs: 1000, jitter: 0, maxAttempts: 2, maxAgeMs: 60_000, tryAttempts: 2 };
const DONE: Outcome = { kind: 'done', reply: null };
const UNKNOWN: Outcome = { kind: 'unknown', detail: 'timeout' };

function open(...names: string[]): Transaction {
  const state = { state: 'started', attempts: 0, tries: 0, since: 0, retryAt: null } as const;
  const branch = {
    ...state,
    payload: 'null',
    reply: null,
    gaveUp: null,
    plan: null,
    span: null,
    topic: null,
    ahead: false,
  };
  return {
    gid: 'g',
    mode: 'tcc',
    drive: 'coordinator',
    businessKey: null,
    status: 'open',
    decision: null,
    reason: null,
    parked: null,
    branches: names.map((name) => ({ ...branch, branchId: name, component: name })),
    beganAt: 0,
    decidedAt: null,
    endedAt: null,
    deadlineAt: 30_000,
    plan: null,
    message: null,
    trace: null,
    release: null,
  };
}

function step(tx: Transaction, answers: Answer[] = [], now = 1, inFlight: string[] = []): Step {
  return advance(tx, answers, {
    now,
    saved: tx,
    inFlight: new Set(inFlight),
    aheadUntil: null,
    policyOf: () => policy,
  });
}

const answer = (branchId: string, op: Op, outcome: Outcome): Answer => ({ branchId, op, outcome });
const opsOf = ({ calls }: Step): string[] => calls.map(({ op, branchId, attempt }) => `${op} ${branchId} #${attempt}`);

/** Committing; the confirm of `a` was given up, that of `b` waits for its second attempt at 200. */
function halfParked(): Transaction {
  let { tx } = step(decide(open('a', 'b'), 'commit', null, 0));
  ({ tx } = step(tx, [answer('a', 'confirm', UNKNOWN)], 10, ['b']));
  return step(tx, [answer('a', 'confirm', UNKNOWN), answer('b', 'confirm', UNKNOWN)], 100).tx;
}

describe('park', () => {
  const parked = park(open('a', 'b'), 5, 'look first');

  test('calls nobody any more, whatever the status, and wakes for the deadline', () => {
    expect(step(parked)).toMatchObject({ calls: [], save: null, wakeAt: 30_000 });
    expect(step(decide(parked, 'abort', null, 6))).toMatchObject({ calls: [], wakeAt: null });
    expect(step(park(halfParked(), 300, 'stop'), [], 5000)).toMatchObject({ calls: [], save: null });
  });

  test('lets calls under way count: they decide, and nothing follows from it', () => {
    const called = park(step(open('a')).tx, 5, 'look first');
    const answered = step(called, [answer('a', 'try', DONE)], 6);
    expect(answered).toMatchObject({ save: 'decided', calls: [], tx: { status: 'committing', decision: 'commit' } });
    expect(opsOf(step(resume(answered.tx, 7), [], 7))).toEqual(['confirm a #1']);
  });

  test('is not stopped by the deadline, which still aborts', () => {
    const late = step(parked, [], 30_000);
    expect(late).toMatchObject({
      save: 'decided',
      calls: [],
      tx: { status: 'aborting', reason: { kind: 'deadline' } },
    });
  });

  test('a second time changes nothing, and of what was given up it stops the rest', () => {
    expect(park(parked, 9, 'again')).toBe(parked);
    expect(park(halfParked(), 300, 'stop').parked).toEqual({ at: 300, branchId: null, op: null, why: 'stop' });
  });
});

describe('resume and retry', () => {
  test('resume begins anew what was given up, and leaves the others the time of their next attempt', () => {
    const resumed = step(resume(halfParked(), 150), [], 150);
    expect(opsOf(resumed)).toEqual(['confirm a #1']);
    expect(opsOf(step(resumed.tx, [], 200, ['a']))).toEqual(['confirm b #2']);
  });

  test('retry does not wait for that time, counts on from the attempt it was at, and keeps its age', () => {
    const retried = retry(halfParked(), 150);
    expect(opsOf(step(retried, [], 150))).toEqual(['confirm a #1', 'confirm b #2']);
    expect(retried.branches.map(({ since }) => since)).toEqual([150, 0]);
    expect(retried.parked).toBeNull();
  });

  test('the time that a person parked it is no part of its age', () => {
    const friday = park(halfParked(), 300, 'over the weekend');
    const monday = 300 + policy.maxAgeMs * 3;
    const resumed = step(resume(friday, monday), [], monday);
    expect(opsOf(resumed)).toEqual(['confirm a #1', 'confirm b #2']);
    expect(resumed.tx.parked).toBeNull();
    const open1 = park({ ...open('a'), deadlineAt: null }, 5, 'wait');
    expect(opsOf(step(resume(open1, monday), [], monday))).toEqual(['try a #1']);
  });

  test('resume of what is not parked is the same transaction', () => {
    const tx = open('a');
    expect(resume(tx, 9)).toBe(tx);
  });
});

describe('force', () => {
  test('takes the parked branch as done: the others go on, and the last one ends the transaction', () => {
    const forced = force(halfParked(), 'a') as Transaction;
    expect(forced).toMatchObject({ parked: null, branches: [{ state: 'forced', gaveUp: null }, {}] });
    const ended = step(forced, [answer('b', 'confirm', DONE)], 210);
    expect(ended).toMatchObject({ save: 'ended', tx: { status: 'committed', branches: [{ state: 'forced' }, {}] } });
  });

  test('of one of two that were given up leaves the transaction parked for the other', () => {
    const both = step(halfParked(), [answer('b', 'confirm', UNKNOWN)], 200).tx;
    expect(both.branches.map(({ gaveUp }) => gaveUp !== null)).toEqual([true, true]);
    expect((force(both, 'b') as Transaction).parked).toEqual(both.parked);
    const other = step(force(both, 'a') as Transaction, [], 300);
    expect(other).toMatchObject({ save: 'parked', tx: { parked: { branchId: 'b', op: 'confirm' } } });
  });

  test('in a transaction that a person parked each branch can be forced that is not done, and it stays parked until the last', () => {
    const held = park(halfParked(), 300, 'the service is gone for good');
    const forced = force(held, 'b') as Transaction;
    expect(forced.parked).toEqual(held.parked);
    const last = force(forced, 'a') as Transaction;
    expect(last.parked).toBeNull();
    expect(step(last, [], 310)).toMatchObject({ save: 'ended', tx: { parked: null } });
  });

  test('again is the same transaction', () => {
    const forced = force(halfParked(), 'a') as Transaction;
    expect(force(forced, 'a')).toBe(forced);
  });

  test.each<[string, Transaction, string, string]>([
    ['that is not there', halfParked(), 'c', 'no such branch'],
    ['that is still called', halfParked(), 'b', 'still called'],
    ['of an open transaction', park(open('a'), 1, 'x'), 'a', 'not decided'],
    ['that is done', step(halfParked(), [answer('b', 'confirm', DONE)], 200).tx, 'b', 'confirmed'],
  ])('of a branch %s is refused', (_name, tx, branchId, why) => {
    expect(force(tx, branchId)).toContain(why);
  });
});
