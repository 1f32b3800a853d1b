import { decidedBy, endedIfThrough, mayCall, opOf } from '../../src/domain/machine.js';
import { newlyQueued } from '../../src/domain/message.js';
import { force, park, resume, retry } from '../../src/domain/operator.js';
import type { Transaction } from '../../src/domain/transaction.js';
import type { BranchState, Decision, Status } from '../../src/protocol/words.js';
import { BRANCH_STATES, STATUSES } from '../../src/protocol/words.js';
import {
  answer,
  AWAY,
  callsOf,
  CHECK,
  checked,
  checks,
  DONE,
  half,
  pending,
  POLICY,
  REFUSED,
  states,
  step,
  UNKNOWN,
} from './half-message.js';

/** A decision from outside, as a log writes it. */
function said(tx: Transaction, decision: Decision, now = 100): Transaction {
  return endedIfThrough(decidedBy(tx, decision, null, now), now);
}

const queuedBy = (before: Transaction, after: Transaction): string[] =>
  newlyQueued(before, after).map(({ branchId }) => branchId);

describe('a half message', () => {
  test('is asked after when it is old enough, and delivers nothing before somebody decides', () => {
    const early = step(half(['topic:paid', 'mail']), [], 5999);
    expect(early).toMatchObject({ calls: [], save: null, wakeAt: 6000 });
    expect(states(early.tx)).toEqual(['waiting', 'waiting']);
    expect(callsOf(step(early.tx, [], 6000))).toEqual(['check check #1']);
    expect(callsOf(step(half(['mail'], { check: { afterMs: 0 } }), [], 0))).toEqual(['check check #1']);
  });

  test('has no deadline', () => {
    const asked = step(half(['mail']), [], 80_000_000, ['check']);
    expect(asked).toMatchObject({ tx: { status: 'open', parked: null }, wakeAt: null });
  });

  test.each([
    ['topics alone', ['topic:a', 'topic:b'], 'committed', ['queued', 'queued']],
    ['components alone', ['mail', 'points'], 'committing', ['started', 'started']],
    ['both', ['topic:a', 'mail'], 'committing', ['queued', 'started']],
  ] as const)('committed from outside with %s: what goes to topics is queued at once', (_what, to, status, after) => {
    const tx = half(to);
    const committed = said(tx, 'commit');
    expect(committed).toMatchObject({ status, decision: 'commit', decidedAt: 100, parked: null });
    expect(committed.endedAt).toBe(status === 'committed' ? 100 : null);
    expect(states(committed)).toEqual(after);
    expect(queuedBy(tx, committed)).toEqual(
      to.flatMap((name, index) => (name.startsWith('topic:') ? [`d${index}`] : [])),
    );
    expect(queuedBy(committed, step(committed).tx)).toEqual([]);
  });

  test('aborted from outside has ended, and nothing of it was ever on its way', () => {
    const tx = half(['topic:a', 'mail']);
    const aborted = said(tx, 'abort');
    expect(aborted).toMatchObject({ status: 'aborted', decision: 'abort', endedAt: 100 });
    expect(states(aborted)).toEqual(['waiting', 'waiting']);
    expect(queuedBy(tx, aborted)).toEqual([]);
  });

  test('decided by its check: committed is a commit, rolled back is an abort that says why', () => {
    const tx = half(['topic:a', 'mail']);
    const committed = step(step(tx, [], 6000).tx, checked(DONE), 6010);
    expect(committed).toMatchObject({
      save: 'decided',
      tx: { status: 'committing', decision: 'commit', reason: null },
    });
    expect(callsOf(committed)).toEqual(['deliver d1 #1']);
    expect(committed.tx.branches[0]?.state).toBe('done');
    expect(queuedBy(tx, committed.tx)).toEqual(['d0']);
    const aborted = step(step(tx, [], 6000).tx, checked(REFUSED), 6010);
    const reason = { kind: 'refused', branchId: 'check', detail: 'rolled back' };
    expect(aborted).toMatchObject({ save: 'ended', calls: [], tx: { status: 'aborted', decision: 'abort', reason } });
  });

  test('for topics alone is decided, queued and ended by the one write that follows its check', () => {
    const tx = half(['topic:a']);
    const end = step(step(tx, [], 6000).tx, checked(DONE), 6010);
    expect(end).toMatchObject({
      save: 'ended',
      calls: [],
      tx: { status: 'committed', decidedAt: 6010, endedAt: 6010 },
    });
    expect(queuedBy(tx, end.tx)).toEqual(['d0']);
  });

  test.each([
    ['does not know yet', pending(), 1],
    ['answers nonsense', UNKNOWN, 1],
    ['was not reached', AWAY, 0],
    ['is not called for now', { kind: 'postponed', retryAfterMs: 700 } as const, 0],
  ])('is not decided by a producer that %s', (_what, outcome, counted) => {
    const asked = step(step(half(['mail']), [], 6000).tx, checked(outcome), 6010);
    expect(asked.tx).toMatchObject({ status: 'open', decision: null, parked: null });
    expect(asked.tx.branches[0]).toMatchObject({ state: 'started', attempts: counted });
    expect(asked).toMatchObject({ save: counted > 0 ? 'attempts' : null, calls: [] });
    expect(asked.wakeAt).toBeGreaterThan(6010);
  });

  test.each([
    ['abort', DONE],
    ['commit', REFUSED],
  ] as const)('decided from outside for %s is not decided again by an answer that comes late', (decision, late) => {
    const asked = step(half(['mail']), [], 6000).tx;
    const decided = decidedBy(asked, decision, null, 6005);
    const after = step(decided, checked(late), 6010);
    expect(after.tx.decision).toBe(decision);
    expect(after.tx.reason).toBeNull();
    expect(after.tx.branches[0]).toEqual(decided.branches[0]);
  });
});

describe('parked at its check', () => {
  const { tx: parked } = checks(half(['topic:a', 'mail']), pending());

  test('it waits for a person, and nothing wakes it', () => {
    expect(parked).toMatchObject({ status: 'open', decision: null, parked: { branchId: 'check', op: 'check' } });
    expect(parked.parked?.why).toBe('check failed 4 times, the last time: its producer does not know yet');
    expect(step(parked, [], 80_000_000)).toMatchObject({ calls: [], wakeAt: null, save: null });
  });

  test('a decision from outside settles it', () => {
    const committed = said(parked, 'commit', 500_000);
    expect(committed).toMatchObject({ status: 'committing', parked: null });
    expect(states(committed)).toEqual(['queued', 'started']);
    expect(callsOf(step(committed, [], 500_000))).toEqual(['deliver d1 #1']);
    expect(said(parked, 'abort', 500_000)).toMatchObject({ status: 'aborted', parked: null });
  });

  test.each([
    ['resume', resume],
    ['retry', retry],
  ])('%s is to check again at once, with all its checks before it', (_name, act) => {
    const again = act(parked, 500_000);
    expect(again.parked).toBeNull();
    expect(callsOf(step(again, [], 500_000))).toEqual(['check check #1']);
    const { tx, madeAt } = checks({ ...again, beganAt: 500_000 }, UNKNOWN);
    expect(madeAt).toHaveLength(CHECK.maxAttempts);
    expect(tx.parked).toMatchObject({ branchId: 'check' });
  });

  test('the check cannot be forced: only a decision settles it', () => {
    expect(force(parked, 'check')).toBe('the transaction is not decided; commit or abort it');
  });
});

describe('held by a person', () => {
  const held = park(step(half(['topic:a', 'mail']), [], 6000).tx, 6005, 'look first');

  test('nobody is asked, and nothing wakes it', () => {
    expect(step(park(half(['mail']), 5, 'look first'), [], 7000)).toMatchObject({ calls: [], wakeAt: null });
    expect(mayCall(held, 'check', 'check')).toBe(false);
  });

  test('a check under way decides, and nothing goes out before the person lets it go on', () => {
    const decided = step(held, checked(DONE), 6010);
    expect(decided).toMatchObject({ save: 'decided', calls: [], wakeAt: null, tx: { status: 'committing' } });
    expect(states(decided.tx)).toEqual(['waiting', 'waiting']);
    expect(step(decided.tx, [], 9000)).toMatchObject({ calls: [], wakeAt: null, save: null });
    const goesOn = step(resume(decided.tx, 9000), [], 9001);
    expect(goesOn.save).toBe('started');
    expect(states(goesOn.tx)).toEqual(['queued', 'started']);
    expect(callsOf(goesOn)).toEqual(['deliver d1 #1']);
  });

  test('a commit from outside is recorded and goes out later, an abort has ended', () => {
    const committed = said(held, 'commit');
    expect(committed).toMatchObject({ status: 'committing', parked: { branchId: null } });
    expect(states(committed)).toEqual(['waiting', 'waiting']);
    expect(states(step(resume(committed, 200), [], 200).tx)).toEqual(['queued', 'started']);
    expect(said(held, 'abort')).toMatchObject({ status: 'aborted', parked: null });
  });

  test('deliveries taken for done never leave, and the last one ends it', () => {
    const committed = said(held, 'commit');
    const first = force(committed, 'd0') as Transaction;
    expect(states(first)).toEqual(['forced', 'waiting']);
    const end = step(force(first, 'd1') as Transaction, [], 200);
    expect(end).toMatchObject({ save: 'ended', calls: [], tx: { status: 'committed', parked: null } });
    expect(queuedBy(committed, end.tx)).toEqual([]);
  });
});

describe('deliverAt', () => {
  const later = half(['topic:a', 'mail'], { deliverAt: 90_000 });

  test('holds up the deliveries after the commit, and not the decision', () => {
    const committed = said(later, 'commit');
    expect(states(committed)).toEqual(['waiting', 'waiting']);
    expect(step(committed, [], 89_999)).toMatchObject({ calls: [], save: null, wakeAt: 90_000 });
    const out = step(committed, [], 90_000);
    expect(out.save).toBe('started');
    expect(callsOf(out)).toEqual(['deliver d1 #1']);
    expect(queuedBy(committed, out.tx)).toEqual(['d0']);
    // The age of a delivery begins when it may be made.
    expect(out.tx.branches[2]?.since).toBe(90_000);
  });

  test('that has passed holds up nothing, and neither does an abort', () => {
    expect(states(said(later, 'commit', 90_000))).toEqual(['queued', 'started']);
    expect(said(later, 'abort')).toMatchObject({ status: 'aborted' });
  });

  test('ends one for topics alone when it comes', () => {
    const committed = said(half(['topic:a'], { deliverAt: 90_000 }), 'commit');
    expect(committed.status).toBe('committing');
    expect(step(committed, [], 90_000)).toMatchObject({ save: 'ended', tx: { status: 'committed', endedAt: 90_000 } });
  });

  test('does not wake what a person parked', () => {
    const held = park(said(later, 'commit'), 200, 'look first');
    expect(step(held, [], 90_000)).toMatchObject({ calls: [], save: null, wakeAt: null });
    expect(callsOf(step(resume(held, 95_000), [], 95_000))).toEqual(['deliver d1 #1']);
  });
});

describe('deliveries to components', () => {
  const committed = said(half(['topic:a', 'mail', 'points']), 'commit');

  test('are repeated until they are made; a refusal is no end of it', () => {
    const called = step(committed, [], 100);
    expect(callsOf(called)).toEqual(['deliver d1 #1', 'deliver d2 #1']);
    const one = step(called.tx, [answer('d1', 'deliver', REFUSED), answer('d2', 'deliver', DONE)], 110);
    expect(states(one.tx)).toEqual(['queued', 'started', 'delivered']);
    expect(one).toMatchObject({ save: 'attempts', wakeAt: 210, tx: { status: 'committing' } });
    const end = step(step(one.tx, [], 210).tx, [answer('d1', 'deliver', DONE)], 220);
    expect(end).toMatchObject({ save: 'ended', tx: { status: 'committed' } });
    expect(states(end.tx)).toEqual(['queued', 'delivered', 'delivered']);
  });

  test('one that is given up parks, holds up no other, and can be forced', () => {
    let { tx } = step(committed, [], 100);
    for (let attempt = 1; attempt <= POLICY.maxAttempts; attempt += 1) {
      ({ tx } = step(tx, [answer('d1', 'deliver', UNKNOWN)], attempt * 10_000, ['d2']));
    }
    expect(tx.parked).toMatchObject({ branchId: 'd1', op: 'deliver' });
    ({ tx } = step(tx, [answer('d2', 'deliver', DONE)], 40_000));
    expect(states(tx)).toEqual(['queued', 'started', 'delivered']);
    expect(step(force(tx, 'd1') as Transaction, [], 40_001).tx).toMatchObject({ status: 'committed', parked: null });
  });
});

/** Of the check and of a delivery: the states in which they have a call to make. */
const NEEDS: Record<Status, { check: readonly BranchState[]; deliver: 'none' | 'undelivered' }> = {
  open: { check: ['started'], deliver: 'none' },
  committing: { check: [], deliver: 'undelivered' },
  committed: { check: [], deliver: 'none' },
  aborting: { check: [], deliver: 'none' },
  aborted: { check: [], deliver: 'none' },
};

describe.each(STATUSES)('while it is %s', (status) => {
  test.each(BRANCH_STATES)('a branch that is %s has the one operation that it may have', (state) => {
    const tx = { ...half(['mail', 'topic:a']), status };
    const branches = tx.branches.map((branch) => ({ ...branch, state }));
    const isOut = ['delivered', 'queued', 'forced'].includes(state);
    const deliver = NEEDS[status].deliver === 'undelivered' && !isOut ? 'deliver' : null;
    expect(opOf({ ...tx, branches }, 'check')).toBe(NEEDS[status].check.includes(state) ? 'check' : null);
    expect(opOf({ ...tx, branches }, 'd0')).toBe(deliver);
    expect(mayCall({ ...tx, branches }, 'd0', 'deliver')).toBe(deliver !== null && state === 'started');
    // What goes to a topic is written, never called.
    expect(mayCall({ ...tx, branches }, 'd1', 'deliver')).toBe(false);
  });
});
