/** How a producer that says nothing is asked. Numbers of issues are those of apache/rocketmq that say what went wrong there. */
import fc from 'fast-check';
import { advance, decidedBy, endedIfThrough } from '../../src/domain/machine.js';
import { newlyQueued } from '../../src/domain/message.js';
import { force, park, resume, retry } from '../../src/domain/operator.js';
import { isEnded, isHeld, LEGAL_MOVES } from '../../src/domain/transaction.js';
import type { Answer, Outcome, Transaction } from '../../src/domain/transaction.js';
import {
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

/** Pauses between these moments. */
const pauses = (madeAt: readonly number[]): number[] => madeAt.slice(1).map((at, index) => at - (madeAt[index] ?? 0));

describe('the pace of checks', () => {
  test('each pause is half as long again, up to ten first ones, give or take a fifth', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1000, max: 3_600_000 }), (gid, intervalMs) => {
        const { madeAt } = checks(half(['mail'], { gid, check: { intervalMs, maxAttempts: 12 } }), pending());
        for (const [index, pauseMs] of pauses(madeAt).entries()) {
          const nominal = Math.min(10, 1.5 ** index) * intervalMs;
          expect(pauseMs / nominal).toBeGreaterThan(0.799);
          expect(pauseMs / nominal).toBeLessThan(1.201);
        }
      }),
      { numRuns: 50 },
    );
  });

  test('is not the same for each message, so that many of one moment do not come at one moment again', () => {
    const firstPauses = Array.from(
      { length: 20 },
      (_, index) => pauses(checks(half(['mail'], { gid: `g${index}` }), UNKNOWN).madeAt)[0],
    );
    expect(new Set(firstPauses).size).toBeGreaterThan(15);
  });

  test('is what the message says, not the retry policy of the component that is asked', () => {
    const { tx, madeAt } = checks(half(['mail'], { check: { maxAttempts: 7 } }), UNKNOWN);
    expect(madeAt).toHaveLength(7);
    expect(Math.min(...pauses(madeAt))).toBeGreaterThan(POLICY.capMs);
    expect(tx.parked?.why).toBe('check failed 7 times, the last time: status 500');
  });

  test.each([
    ['shorter than the pause', 1000, 1000],
    ['longer than the pause', 600_000, 600_000],
    ['0, which would be asking in a circle', 0, 100],
  ])('a Retry-After that is %s counts', (_what, retryAfterMs, pauseMs) => {
    const asked = step(step(half(['mail']), [], 6000).tx, checked(pending(retryAfterMs)), 6010);
    expect(asked).toMatchObject({ wakeAt: 6010 + pauseMs, save: 'attempts' });
    expect(asked.tx.branches[0]).toMatchObject({ attempts: 1, retryAt: 6010 + pauseMs });
  });

  test('a Retry-After buys no more checks than there are', () => {
    const { tx, madeAt } = checks(half(['mail']), pending(500));
    expect(madeAt).toEqual([6000, 6500, 7000, 7500]);
    expect(tx.branches[0]?.retryAt).toBeNull();
    expect(tx.parked).toMatchObject({ branchId: 'check' });
  });
});

test('#8311: however long nobody is asked at first, not one check counts before, and all of them come after', () => {
  const afterMs = 600_000;
  const tx = half(['mail'], { check: { afterMs, intervalMs: 1000, maxAttempts: 15 } });
  // Far more looks than there are checks.
  for (let now = 0; now < afterMs; now += 5000) {
    expect(step(tx, [], now)).toMatchObject({ calls: [], save: null, tx: { parked: null }, wakeAt: afterMs });
  }
  const { tx: parked, madeAt } = checks(tx, UNKNOWN);
  expect(madeAt[0]).toBe(afterMs);
  expect(madeAt).toHaveLength(15);
  expect(parked.parked).toMatchObject({ branchId: 'check' });
  // Longer than an operation may age, too.
  const aged = half(['mail'], { check: { afterMs: POLICY.maxAgeMs + 5000, maxAttempts: 2 } });
  expect(checks(aged, UNKNOWN).madeAt).toHaveLength(2);
});

test('#8158: a commit after long local work wins, whatever checks have said by then, and ends the checks', () => {
  const asked = step(step(half(['topic:paid']), [], 6000).tx, checked(pending()), 6010).tx;
  const { tx: parked } = checks(half(['topic:paid']), pending());
  for (const late of [asked, parked]) {
    const committed = endedIfThrough(decidedBy(late, 'commit', null, 9_000_000), 9_000_000);
    expect(committed).toMatchObject({ status: 'committed', parked: null });
    expect(newlyQueued(late, committed)).toHaveLength(1);
    expect(step(committed, [], 9_000_001).calls).toEqual([]);
  }
  // While a check is under way: its answer is of the past.
  const underWay = decidedBy(step(half(['mail']), [], 6000).tx, 'commit', null, 6005);
  expect(callsOf(step(underWay, checked(REFUSED), 6010))).toEqual(['deliver d0 #1']);
});

test('#475: while the producer cannot be reached the count does not rise, and the pauses grow', () => {
  const { tx, madeAt } = checks(half(['mail']), AWAY, 12);
  expect(tx).toMatchObject({ status: 'open', parked: null });
  expect(tx.branches[0]?.attempts).toBe(0);
  expect(madeAt).toHaveLength(12);
  const grown = pauses(madeAt);
  expect(Math.min(...grown)).toBeGreaterThanOrEqual(CHECK.intervalMs * 0.8);
  expect(Math.max(...grown)).toBeGreaterThan(CHECK.intervalMs * 5);
  // Once it is back it has all of its checks.
  expect(
    checks({ ...tx, beganAt: 86_000_000, branches: tx.branches.map((each) => ({ ...each, retryAt: null })) }, UNKNOWN)
      .madeAt,
  ).toHaveLength(CHECK.maxAttempts);
});

test('#475: one that nobody can reach for as long as an operation may take is parked all the same', () => {
  const { tx } = checks(half(['mail']), AWAY, 10_000);
  expect(tx.parked).toMatchObject({ branchId: 'check', why: 'check had no answer within maxAgeMs' });
});

test('PR #1543: checks of a message are no more than it says, whatever comes back and however often one looks', () => {
  const outcome = fc.constantFrom<Outcome>(pending(), pending(1), pending(99_999), UNKNOWN);
  fc.assert(
    fc.property(
      fc.array(outcome, { minLength: 40, maxLength: 40 }),
      fc.integer({ min: 1, max: 10 }),
      (outcomes, maxAttempts) => {
        let { tx } = step(half(['mail'], { check: { maxAttempts } }), [], 0);
        let made = 0;
        for (const [index, answered] of outcomes.entries()) {
          const { tx: next, calls } = step(tx, [], (1_000_000 * (index + 1)) % POLICY.maxAgeMs);
          made += calls.length;
          expect(calls.length).toBeLessThanOrEqual(1);
          ({ tx } = calls.length > 0 ? step(next, checked(answered), 1_000_000 * (index + 1)) : { tx: next });
        }
        expect(made).toBe(maxAttempts);
        expect(tx.parked).not.toBeNull();
        expect(tx.branches).toHaveLength(2);
      },
    ),
    { numRuns: 50 },
  );
});

type Move =
  | 'done'
  | 'refused'
  | 'pending'
  | 'unknown'
  | 'away'
  | 'commit'
  | 'abort'
  | 'park'
  | 'resume'
  | 'retry'
  | 'force'
  | 'later'
  | 'much later';
const MOVES: readonly Move[] = [
  'done',
  'refused',
  'pending',
  'unknown',
  'away',
  'commit',
  'abort',
  'park',
  'resume',
  'retry',
  'force',
  'later',
  'much later',
];
const OUTCOMES: Readonly<Record<string, Outcome>> = {
  done: DONE,
  refused: REFUSED,
  pending: pending(),
  unknown: UNKNOWN,
  away: AWAY,
};

test('whatever happens in whatever order: one decision, nothing out without a commit, each delivery out once', () => {
  const to = fc.array(fc.constantFrom('topic:a', 'mail', 'topic:b', 'points'), { minLength: 1, maxLength: 4 });
  const moves = fc.array(fc.tuple(fc.constantFrom(...MOVES), fc.nat(3)), { maxLength: 40 });
  fc.assert(
    fc.property(to, fc.constantFrom(null, 8000, 5_000_000), moves, (names, deliverAt, happened) => {
      let tx = half(names, { deliverAt });
      let now = 0;
      let inFlight: Answer[] = [];
      const out = new Set<string>();
      const become = (next: Transaction): void => {
        demandLegal(tx, next);
        for (const { branchId } of newlyQueued(tx, next)) {
          expect(isHeld(tx)).toBe(false);
          expect(out.has(branchId)).toBe(false);
          out.add(branchId);
        }
        if (out.size > 0) expect(next.decision).toBe('commit');
        tx = next;
      };
      const look = (answers: Answer[]): void => {
        inFlight = inFlight.filter((call) => !answers.includes(call));
        const held = tx;
        const names = new Set(inFlight.map(({ branchId }) => branchId));
        const { tx: next, calls } = advance(tx, answers, {
          now,
          saved: tx,
          inFlight: names,
          aheadUntil: null,
          policyOf: () => POLICY,
        });
        become(next);
        for (const { branchId, op } of calls) {
          expect(isHeld(held)).toBe(false);
          expect(op).toBe(branchId === 'check' ? 'check' : 'deliver');
          expect(next.decision).toBe(op === 'check' ? null : 'commit');
          expect(next.branches.find((branch) => branch.branchId === branchId)?.topic).toBeNull();
          if (op === 'deliver') expect(now).toBeGreaterThanOrEqual(deliverAt ?? 0);
          inFlight.push({ branchId, op, outcome: DONE });
        }
      };
      for (const [move, pick] of happened) {
        if (isEnded(tx)) break;
        now += move === 'much later' ? 3_000_000 : move === 'later' ? 7000 : 10;
        const call = inFlight[pick % Math.max(1, inFlight.length)];
        const outcome = OUTCOMES[move];
        if (outcome && call) {
          inFlight = inFlight.filter((other) => other !== call);
          look([{ ...call, outcome }]);
          continue;
        }
        if ((move === 'commit' || move === 'abort') && tx.status === 'open')
          become(endedIfThrough(decidedBy(tx, move, null, now), now));
        if (move === 'park') become(park(tx, now, 'look'));
        if (move === 'resume') become(resume(tx, now));
        if (move === 'retry') become(retry(tx, now));
        const forced = move === 'force' ? force(tx, tx.branches[pick]?.branchId ?? 'd0') : tx;
        if (typeof forced !== 'string') become(forced);
        look([]);
      }
      if (tx.status === 'committed') {
        const left = tx.branches.slice(1).filter(({ state }) => state !== 'forced');
        expect(left.every(({ state, topic }) => state === (topic ? 'queued' : 'delivered'))).toBe(true);
        expect(new Set(left.flatMap(({ branchId, topic }) => (topic ? [branchId] : [])))).toEqual(out);
      } else if (tx.status === 'aborted') expect(new Set(states(tx))).toEqual(new Set(['waiting']));
    }),
    { numRuns: 500 },
  );
});

function demandLegal(before: Transaction, after: Transaction): void {
  const reachable = [
    before.status,
    ...LEGAL_MOVES[before.status],
    ...LEGAL_MOVES[before.status].flatMap((next) => LEGAL_MOVES[next]),
  ];
  expect(reachable).toContain(after.status);
  if (before.decision !== null) expect(after.decision).toBe(before.decision);
  expect(after.branches.map(({ branchId }) => branchId)).toEqual(before.branches.map(({ branchId }) => branchId));
}
