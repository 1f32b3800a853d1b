import type { BranchState, Op } from '../../src/protocol/words.js';
import { advance } from '../../src/domain/machine.js';
import { resume } from '../../src/domain/operator.js';
import { decide, LEGAL_MOVES, moved } from '../../src/domain/transaction.js';
import type { Answer, Branch, Outcome, Step, Transaction } from '../../src/domain/transaction.js';

const policy = { baseMs: 100, factor: 2, capMs: 1000, jitter: 0, maxAttempts: 3, maxAgeMs: 60_000, tryAttempts: 2 };

function branch(branchId: string, state: BranchState = 'started'): Branch {
  return {
    branchId,
    component: branchId,
    payload: 'null',
    state,
    attempts: 0,
    tries: 0,
    since: 0,
    retryAt: null,
    reply: null,
    gaveUp: null,
    plan: null,
    span: null,
    topic: null,
    ahead: false,
  };
}

function open(...branches: Branch[]): Transaction {
  return {
    gid: 'g',
    mode: 'tcc',
    drive: 'coordinator',
    businessKey: null,
    status: 'open',
    decision: null,
    reason: null,
    parked: null,
    branches,
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

const done: Outcome = { kind: 'done', reply: '{"held":1}' };
const unknown: Outcome = { kind: 'unknown', detail: 'timeout' };
const refused: Outcome = { kind: 'refused', reason: 'no stock' };
const answer = (branchId: string, op: Op, outcome: Outcome): Answer => ({ branchId, op, outcome });

function step(tx: Transaction, answers: Answer[] = [], now = 1, inFlight: string[] = [], saved = tx): Step {
  return advance(tx, answers, { now, saved, inFlight: new Set(inFlight), aheadUntil: null, policyOf: () => policy });
}

const opsOf = (s: Step): string[] => s.calls.map((call) => `${call.op} ${call.branchId} #${call.attempt}`);

describe('TCC', () => {
  test('tries every branch at once, confirms all only with a durable decision, and ends', () => {
    const tried = step(open(branch('a'), branch('b')));
    expect(opsOf(tried)).toEqual(['try a #1', 'try b #1']);
    expect(tried.save).toBeNull();

    const half = step(tried.tx, [answer('a', 'try', done)], 2, ['b']);
    expect(half.save).toBeNull();
    expect(half.calls).toEqual([]);

    const decided = step(half.tx, [answer('b', 'try', done)], 3);
    expect(decided.save).toBe('decided');
    expect(decided.tx).toMatchObject({ status: 'committing', decision: 'commit', decidedAt: 3, reason: null });
    expect(opsOf(decided)).toEqual(['confirm a #1', 'confirm b #1']);
    expect(decided.tx.branches[0]?.reply).toBe('{"held":1}');

    const ended = step(decided.tx, [answer('a', 'confirm', done), answer('b', 'confirm', done)], 4);
    expect(ended).toMatchObject({ save: 'ended', calls: [], wakeAt: null, tx: { status: 'committed', endedAt: 4 } });
    expect(ended.tx.branches[0]?.reply).toBe('{"held":1}');
  });

  test('a refusal decides abort at once; a branch whose try is still out is cancelled when it is back', () => {
    const tried = step(open(branch('a'), branch('b')));
    const decided = step(tried.tx, [answer('a', 'try', refused)], 2, ['b']);
    expect(decided.save).toBe('decided');
    expect(decided.tx.reason).toEqual({ kind: 'refused', branchId: 'a', detail: 'no stock' });
    expect(opsOf(decided)).toEqual(['cancel a #1']);

    const back = step(decided.tx, [answer('b', 'try', done)], 3, ['a']);
    expect(opsOf(back)).toEqual(['cancel b #1']);
    const ended = step(back.tx, [answer('a', 'cancel', done), answer('b', 'cancel', done)], 4);
    expect(ended.tx.status).toBe('aborted');
    expect(ended.tx.branches.map((b) => b.state)).toEqual(['cancelled', 'cancelled']);
  });

  test('a try that stays unknown for tryAttempts aborts, and is cancelled like the others', () => {
    const first = step(open(branch('a')), [answer('a', 'try', unknown)], 10);
    expect(first.calls).toEqual([]);
    expect(first.wakeAt).toBe(110);
    const again = step(first.tx, [], 110);
    expect(opsOf(again)).toEqual(['try a #2']);
    const decided = step(again.tx, [answer('a', 'try', unknown)], 120);
    expect(decided.tx.reason).toMatchObject({ kind: 'unknown', branchId: 'a' });
    expect(opsOf(decided)).toEqual(['cancel a #1']);
  });

  test('the deadline aborts, also while tries are out', () => {
    const late = step(open(branch('a')), [], 30_000, ['a']);
    expect(late).toMatchObject({
      save: 'decided',
      calls: [],
      tx: { status: 'aborting', reason: { kind: 'deadline' } },
    });
  });

  test('an answer in the same moment as the deadline still counts', () => {
    const tx = step(open(branch('a')), [answer('a', 'try', done)], 30_000).tx;
    expect(tx.decision).toBe('commit');
  });

  test('a pending or postponed answer uses up no attempt and is asked again when it said', () => {
    const pending = step(open(branch('a')), [answer('a', 'try', { kind: 'pending', retryAfterMs: 5000 })], 1);
    expect(pending.wakeAt).toBe(5001);
    expect(opsOf(step(pending.tx, [], 5001))).toEqual(['try a #1']);
    const hasty = step(open(branch('a')), [answer('a', 'try', { kind: 'pending', retryAfterMs: 0 })], 1);
    expect(hasty.wakeAt).toBe(101);
    const postponed = step(open(branch('a')), [answer('a', 'try', { kind: 'postponed', retryAfterMs: 700 })], 1);
    expect(postponed.wakeAt).toBe(701);
    expect(opsOf(step(postponed.tx, [], 701))).toEqual(['try a #1']);
  });

  test('a branch with a call under way gets no second one', () => {
    const tx = step(open(branch('a'))).tx;
    expect(step(tx, [], 20_000, ['a']).calls).toEqual([]);
  });

  test('replies past 1 MiB for the whole transaction are kept as null, those before stay', () => {
    const long = (char: string): Outcome => ({ kind: 'done', reply: JSON.stringify(char.repeat(300 * 1024)) });
    const tx = open(branch('a'), branch('b'));
    const kept = step(tx, [answer('a', 'try', long('x')), answer('b', 'try', long('y'))]).tx;
    expect(kept.branches.map((b) => b.reply?.length)).toEqual([300 * 1024 + 2, 300 * 1024 + 2]);
    const passed = step(tx, [answer('a', 'try', long('\u20ac')), answer('b', 'try', long('z'))]).tx;
    expect(passed.branches.map((b) => b.reply?.length)).toEqual([300 * 1024 + 2, undefined]);
    expect(passed.decision).toBe('commit');
  });

  test('an initiator-driven transaction calls nothing until it is decided, then confirms what was registered', () => {
    const tx: Transaction = { ...open(branch('a')), drive: 'initiator' };
    expect(step(tx)).toMatchObject({ save: null, calls: [], wakeAt: 30_000 });
    expect(opsOf(step(decide(tx, 'commit', null, 5)))).toEqual(['confirm a #1']);
    expect(step(decide({ ...tx, branches: [] }, 'commit', null, 5)).tx.status).toBe('committed');
  });
});

describe('after the decision', () => {
  const committing = decide(open(branch('a', 'done'), branch('b', 'done')), 'commit', null, 100);

  test('a failed pass is saved with its attempts once all its calls are back', () => {
    const called = step(committing, [], 100);
    const one = step(called.tx, [answer('a', 'confirm', unknown)], 110, ['b'], committing);
    expect(one.save).toBeNull();
    const both = step(one.tx, [answer('b', 'confirm', done)], 120, [], committing);
    expect(both.save).toBe('attempts');
    expect(both.wakeAt).toBe(210);
    expect(step(both.tx, [], 210, [], both.tx)).toMatchObject({ save: null, calls: [{ attempt: 2 }] });
  });

  test('a confirm that is refused is retried like a failure, then parks with the decision kept', () => {
    let tx = committing;
    let last: Step | undefined;
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      last = step(tx, [answer('a', 'confirm', refused), answer('b', 'confirm', done)], attempt * 5000);
      tx = last.tx;
    }
    expect(last).toMatchObject({ save: 'parked', calls: [], wakeAt: null });
    expect(tx).toMatchObject({ status: 'committing', decision: 'commit', parked: { branchId: 'a', op: 'confirm' } });
    expect(tx.branches[1]?.state).toBe('confirmed');
    expect(step(tx, [], 1_000_000)).toMatchObject({ save: null, calls: [], wakeAt: null });
  });

  test('what comes back after another branch parked is saved: that it is done, or that it was given up too', () => {
    let { tx } = step(committing, [], 100);
    for (const now of [200, 5000, 9000]) ({ tx } = step(tx, [answer('a', 'confirm', unknown)], now, ['b'], tx));
    expect(tx.parked?.branchId).toBe('a');
    const late = step(tx, [answer('b', 'confirm', done)], 9100, [], tx);
    expect(late).toMatchObject({
      save: 'attempts',
      calls: [],
      wakeAt: null,
      tx: { branches: [{}, { state: 'confirmed' }] },
    });
    let other = tx;
    for (const now of [9100, 15_000]) ({ tx: other } = step(other, [answer('b', 'confirm', unknown)], now, [], other));
    const last = step(other, [answer('b', 'confirm', unknown)], 20_000, [], other);
    expect(last).toMatchObject({ save: 'attempts', calls: [], wakeAt: null });
    expect(last.tx.branches[1]).toMatchObject({ attempts: 3, gaveUp: expect.stringContaining('failed 3 times') });
    expect(step(last.tx, [], 30_000, [], last.tx)).toMatchObject({ save: null, calls: [] });
  });

  test('resume lets a parked transaction try again from the first attempt', () => {
    const parked = step(committing, [answer('a', 'confirm', unknown)], 60_101, []);
    const aged = step(parked.tx, [answer('b', 'confirm', done)], 61_000);
    expect(aged.tx.parked?.why).toContain('maxAgeMs');
    const resumed = step(resume(aged.tx, 61_001), [], 61_001);
    expect(resumed.tx.parked).toBeNull();
    expect(opsOf(resumed)).toEqual(['confirm a #1']);
  });

  test('age is looked at in time, whatever pause a pending answer asked for', () => {
    const patient = { kind: 'pending', retryAfterMs: 3_600_000 } as const;
    const waiting = step(committing, [answer('a', 'confirm', patient), answer('b', 'confirm', done)], 101);
    expect(waiting.wakeAt).toBe(60_100);
  });

  test('age parks even when every answer is pending', () => {
    const tx = step(committing, [answer('a', 'confirm', { kind: 'pending', retryAfterMs: 10 })], 101, ['b']).tx;
    expect(step(tx, [answer('b', 'confirm', done)], 60_100).tx.parked).toMatchObject({ branchId: 'a', op: 'confirm' });
  });
});

describe('G4: one decision, for ever', () => {
  test('only the moves in the table are made', () => {
    const statuses = Object.keys(LEGAL_MOVES) as (keyof typeof LEGAL_MOVES)[];
    for (const from of statuses) {
      for (const to of statuses) {
        const attempt = () => moved({ ...open(), status: from }, to);
        if (LEGAL_MOVES[from].includes(to)) expect(attempt()).toBe(to);
        else expect(attempt).toThrow(`${from} cannot become ${to}`);
      }
    }
  });

  test('a decided transaction cannot be decided again', () => {
    const tx = decide(open(branch('a')), 'commit', null, 1);
    expect(() => decide(tx, 'abort', { kind: 'requested' }, 2)).toThrow();
  });
});
