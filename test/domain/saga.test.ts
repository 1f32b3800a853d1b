import { jest } from '@jest/globals';
import { force, park, resume } from '../../src/domain/operator.js';
import { payloadOf } from '../../src/domain/reference.js';
import { decide } from '../../src/domain/transaction.js';
import type { Transaction } from '../../src/domain/transaction.js';
import { DIAMOND, done, REFUSED, Run, saga, UNKNOWN } from './saga-run.js';

describe('in order', () => {
  test('each branch starts when the one before is done, and n branches take n writes after the begin', () => {
    const run = new Run(saga(['a', 'b', 'c'])).finish();
    expect(run.calls).toEqual(['action a', 'action b', 'action c']);
    expect(run.saves).toEqual(['started', 'started', 'ended']);
    expect(run.tx).toMatchObject({ status: 'committed', decision: 'commit', decidedAt: run.now, endedAt: run.now });
  });

  test('a branch is started in the write before its call', () => {
    const run = new Run(saga(['a', 'b']));
    expect(run.tx.branches.map(({ state }) => state)).toEqual(['started', 'waiting']);
    const step = run.answer('a', 'action');
    expect(step).toMatchObject({ save: 'started', calls: [{ branchId: 'b', op: 'action', attempt: 1 }] });
    expect(step.tx.branches.map(({ state }) => state)).toEqual(['done', 'started']);
  });

  test('a refused action undoes itself and all before it, the last started first', () => {
    const run = new Run(saga(['a', 'b', 'c', 'd']));
    run.finish((call) => (call === 'action c' ? REFUSED : done()));
    expect(run.calls.slice(3)).toEqual(['compensate c', 'compensate b', 'compensate a']);
    expect(run.tx).toMatchObject({ status: 'aborted', reason: { kind: 'refused', branchId: 'c', detail: 'sold out' } });
    expect(run.tx.branches.map(({ state }) => state)).toEqual(['compensated', 'compensated', 'compensated', 'waiting']);
  });

  test('an action that stays unknown for tryAttempts is undone too', () => {
    const run = new Run(saga(['a', 'b']));
    run.finish((call) => (call === 'action b' ? UNKNOWN : done()));
    // The second attempt is due at a time that nobody has come to.
    run.step([], run.now + 1000);
    run.finish((call) => (call === 'action b' ? UNKNOWN : done()));
    expect(run.calls).toEqual(['action a', 'action b', 'action b', 'compensate b', 'compensate a']);
    expect(run.tx).toMatchObject({ status: 'aborted', reason: { kind: 'unknown', branchId: 'b' } });
  });

  test('what has nothing to undo is left as it is', () => {
    const run = new Run(saga(['a', { branchId: 'b', compensate: false }, 'c']));
    run.finish((call) => (call === 'action c' ? REFUSED : done()));
    expect(run.calls.slice(3)).toEqual(['compensate c', 'compensate a']);
    expect(run.tx.branches.map(({ state }) => state)).toEqual(['compensated', 'done', 'compensated']);
  });

  test('an abort from outside waits for the action under way, and undoes from there', () => {
    const run = new Run(saga(['a', 'b', 'c']));
    run.answer('a', 'action');
    run.tx = decide(run.tx, 'abort', { kind: 'requested' }, 5);
    expect(run.step([]).calls).toEqual([]);
    run.answer('b', 'action');
    expect(run.finish().calls.slice(2)).toEqual(['compensate b', 'compensate a']);
  });
});

describe('as a graph', () => {
  test('branches side by side are started by one write, and share the next', () => {
    const run = new Run(saga(DIAMOND));
    run.answer('a', 'action');
    expect(run.calls).toEqual(['action a', 'action b', 'action c']);
    expect(run.answer('b', 'action').save).toBeNull();
    run.finish();
    expect(run.saves).toEqual(['started', 'started', 'ended']);
  });

  test('no more branches run at a time than parallel says, in either direction', () => {
    const run = new Run(
      saga(
        ['a', 'b', 'c', 'd'].map((branchId) => ({ branchId, after: [] })),
        { parallel: 2 },
      ),
    );
    expect(run.calls).toEqual(['action a', 'action b']);
    run.answer('a', 'action');
    expect(run.calls).toEqual(['action a', 'action b', 'action c']);
    run.answer('b', 'action', REFUSED);
    run.answer('c', 'action');
    // c and b ran side by side; a was done before c started.
    expect(run.calls.slice(3)).toEqual(['compensate b', 'compensate c']);
    run.answer('b', 'compensate');
    expect(run.inFlight).toEqual(new Set(['c']));
    run.answer('c', 'compensate');
    expect(run.calls.slice(5)).toEqual(['compensate a']);
  });

  test('what ran side by side is undone side by side, what came before it after that', () => {
    const run = new Run(saga(DIAMOND));
    run.answer('a', 'action');
    run.answer('b', 'action');
    run.answer('c', 'action');
    run.answer('d', 'action', REFUSED);
    expect([...run.inFlight]).toEqual(['d']);
    run.answer('d', 'compensate');
    expect([...run.inFlight].sort()).toEqual(['b', 'c']);
    run.answer('c', 'compensate');
    expect([...run.inFlight]).toEqual(['b']);
    run.answer('b', 'compensate');
    expect([...run.inFlight]).toEqual(['a']);
  });

  test('the order of undoing is that of the starts, not only that of the graph', () => {
    const run = new Run(
      saga([
        { branchId: 'slow', after: [] },
        { branchId: 'quick', after: [] },
        { branchId: 'late', after: ['slow'] },
      ]),
    );
    run.answer('quick', 'action');
    run.answer('slow', 'action');
    run.answer('late', 'action', REFUSED);
    // Nothing in the graph orders `quick` and `late`; but the one was done when the other started.
    expect([...run.inFlight]).toEqual(['late']);
    run.answer('late', 'compensate');
    expect([...run.inFlight].sort()).toEqual(['quick', 'slow']);
  });
});

describe('forward', () => {
  test('recovery forward is decided at begin, retries what is refused, and never undoes', () => {
    const run = new Run(saga(['a', 'b'], { recovery: 'forward' }));
    expect(run.tx).toMatchObject({ status: 'committing', decision: 'commit', decidedAt: 0 });
    run.answer('a', 'action', REFUSED);
    expect(run.step([], 500).calls).toEqual([{ branchId: 'a', op: 'action', attempt: 2 }]);
    run.finish();
    expect(run.calls).toEqual(['action a', 'action a', 'action b']);
    expect(run.tx.status).toBe('committed');
  });

  test('it parks after maxAttempts, holds what comes after, and goes on once it is forced', () => {
    const run = new Run(
      saga(
        [
          { branchId: 'a', after: [] },
          { branchId: 'b', after: ['a'] },
          { branchId: 'c', after: [] },
        ],
        { recovery: 'forward' },
      ),
    );
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      run.answer('a', 'action', REFUSED, run.now + 5000);
      run.step([], run.now + 5000);
    }
    expect(run.tx.parked).toMatchObject({ branchId: 'a', op: 'action' });
    run.answer('c', 'action');
    expect(run.tx).toMatchObject({ status: 'committing' });
    run.tx = force(run.tx, 'a') as Transaction;
    run.step([]);
    expect(run.finish().tx).toMatchObject({ status: 'committed', parked: null });
    expect(run.calls.filter((call) => call.endsWith('b'))).toEqual(['action b']);
  });

  test('one that waits for another cannot be forced before it: what comes after it would be called too early', () => {
    const run = new Run(saga(['a', 'b', 'c'], { recovery: 'forward' }));
    run.tx = park(run.tx, 1, 'look first');
    expect(force(run.tx, 'b')).toBe('what it comes after is not done');
    run.tx = force(run.tx, 'a') as Transaction;
    run.tx = resume(force(run.tx, 'b') as Transaction, 2);
    run.inFlight.clear();
    expect(run.step([]).calls).toMatchObject([{ branchId: 'c' }]);
  });

  test('the success of the pivot is the decision: what is refused after it is retried', () => {
    const run = new Run(saga(['a', { branchId: 'p', pivot: true }, 'z']));
    run.answer('a', 'action');
    expect(run.answer('p', 'action')).toMatchObject({
      save: 'decided',
      tx: { status: 'committing', decision: 'commit' },
    });
    run.answer('z', 'action', REFUSED);
    run.step([], 5000);
    run.finish();
    expect(run.calls).toEqual(['action a', 'action p', 'action z', 'action z']);
    expect(run.tx.status).toBe('committed');
  });

  test('the pivot decides even where a branch beside it is refused at the same moment', () => {
    const run = new Run(
      saga([
        { branchId: 'p', after: [], pivot: true },
        { branchId: 'q', after: [] },
      ]),
    );
    run.step([
      { branchId: 'q', op: 'action', outcome: REFUSED },
      { branchId: 'p', op: 'action', outcome: done() },
    ]);
    expect(run.tx).toMatchObject({ status: 'committing', decision: 'commit' });
    expect(run.finish().tx.status).toBe('committed');
  });

  test('a refused pivot aborts, and what was before it is undone', () => {
    const run = new Run(saga(['a', { branchId: 'p', pivot: true }, 'z']));
    run.finish((call) => (call === 'action p' ? REFUSED : done()));
    expect(run.calls.slice(2)).toEqual(['compensate p', 'compensate a']);
  });
});

describe('a compensation that gives up', () => {
  const stuck = (): Run => {
    const run = new Run(saga(['a', { branchId: 'b', compensateRetry: { maxAttempts: 2 } }, 'c']));
    run.answer('a', 'action');
    run.answer('b', 'action');
    run.answer('c', 'action', REFUSED);
    run.answer('c', 'compensate');
    run.answer('b', 'compensate', UNKNOWN);
    run.step([], run.now + 5000);
    run.answer('b', 'compensate', UNKNOWN);
    return run;
  };

  test('parks as rollback incomplete, by a policy of its own, and what came before waits', () => {
    const { tx, inFlight } = stuck();
    expect(tx.parked).toMatchObject({ branchId: 'b', op: 'compensate' });
    expect(tx.parked?.why).toMatch(/^rollback incomplete: compensate failed 2 times/);
    expect(inFlight.size).toBe(0);
  });

  test('goes on when it is resumed, however long it was parked', () => {
    const run = stuck();
    run.tx = resume(run.tx, 500_000);
    expect(run.step([], 500_000).calls).toEqual([{ branchId: 'b', op: 'compensate', attempt: 1 }]);
    expect(run.finish().tx).toMatchObject({ status: 'aborted', parked: null });
    expect(run.calls.slice(-2)).toEqual(['compensate b', 'compensate a']);
  });

  test('changes nothing of when its action succeeded', () => {
    const run = new Run(saga(['a', 'b']));
    run.answer('a', 'action');
    const [before] = run.answer('b', 'action', REFUSED).tx.branches;
    run.answer('b', 'compensate');
    expect(run.answer('a', 'compensate', UNKNOWN).tx.branches[0]).toMatchObject({ span: before?.span, attempts: 1 });
  });

  test('lets what came before be undone once it is forced', () => {
    const run = stuck();
    run.tx = force(run.tx, 'b') as Transaction;
    run.step([], 600_000);
    expect(run.finish().tx).toMatchObject({ status: 'aborted', parked: null });
    expect(run.tx.branches.map(({ state }) => state)).toEqual(['compensated', 'forced', 'compensated']);
  });
});

describe('deadlines', () => {
  test('a branch that is not done within its own aborts, though its call is under way, and is undone after that', () => {
    const run = new Run(saga(['a', { branchId: 'b', deadlineMs: 100 }]));
    expect(run.answer('a', 'action', done(), 50).wakeAt).toBe(150);
    const step = run.step([], 150);
    expect(step.tx).toMatchObject({ status: 'aborting', reason: { kind: 'deadline', branchId: 'b' } });
    expect(step.calls).toEqual([]);
    run.answer('b', 'action');
    expect(run.finish().calls).toEqual(['action a', 'action b', 'compensate b', 'compensate a']);
  });

  test('under forward recovery it parks', () => {
    const run = new Run(saga([{ branchId: 'a', deadlineMs: 100 }], { recovery: 'forward' }));
    run.answer('a', 'action', { kind: 'pending', retryAfterMs: 5000 }, 50);
    expect(run.step([], 60).wakeAt).toBe(100);
    expect(run.step([], 100).tx.parked).toMatchObject({ branchId: 'a', why: 'action had no answer within deadlineMs' });
  });

  test('that of a branch which was refused beside the pivot bounds what is called again', () => {
    const run = new Run(
      saga([
        { branchId: 'a', after: [], pivot: true },
        { branchId: 'b', after: [], deadlineMs: 500 },
      ]),
    );
    run.step([
      { branchId: 'b', op: 'action', outcome: REFUSED },
      { branchId: 'a', op: 'action', outcome: done() },
    ]);
    run.answer('b', 'action', { kind: 'pending', retryAfterMs: 5000 });
    expect(run.step([], 500).tx.parked).toMatchObject({ branchId: 'b', why: 'action had no answer within deadlineMs' });
  });

  test('that of a branch does not bound its compensation', () => {
    const run = new Run(saga([{ branchId: 'a', deadlineMs: 500 }]));
    run.step([], 500);
    run.answer('a', 'action', UNKNOWN, 3000);
    run.answer('a', 'compensate', { kind: 'pending', retryAfterMs: 5000 }, 3010);
    expect(run.step([], 8010).tx.parked).toBeNull();
    expect(run.answer('a', 'compensate', done(), 8020).tx.status).toBe('aborted');
  });

  test.each([{ branchId: 'a', deadlineMs: 500 }, 'a'])(
    'that of %j and its age stand still while a person holds the saga, whoever looks at it meanwhile',
    (branch) => {
      const run = new Run(saga([branch]));
      run.answer('a', 'action', UNKNOWN, 10);
      run.tx = park(run.tx, 20, 'the till is counted');
      expect(run.step([], 100_000).tx.status).toBe('open');
      run.tx = resume(run.tx, 100_000);
      expect(run.step([], 100_000)).toMatchObject({ tx: { status: 'open' }, calls: [{ branchId: 'a' }] });
    },
  );

  test('that of the saga aborts as that of any transaction', () => {
    const run = new Run(saga(['a', 'b'], { deadlineAt: 1000 }));
    expect(run.answer('a', 'action', done(), 10).wakeAt).toBe(1000);
    expect(run.step([], 1000).tx).toMatchObject({ status: 'aborting', reason: { kind: 'deadline' } });
  });

  test('a branch that waits for its turn does not age', () => {
    const run = new Run(saga(['a', 'b']));
    run.answer('a', 'action', done(), 59_000);
    expect(run.step([], 100_000).tx).toMatchObject({ status: 'open', decision: null });
    expect(run.answer('b', 'action', done(), 118_000).tx.status).toBe('committed');
  });
});

describe('references', () => {
  const REFERRING = JSON.stringify({ id: { $reply: 'a#/id' }, all: [{ $reply: 'a' }], deep: { $reply: 'a#/x~1y/1' } });

  test('stand for what an earlier branch replied', () => {
    const run = new Run(saga(['a', { branchId: 'b', payload: REFERRING }]));
    const reply = { id: 'o-1', 'x/y': [1, 2] };
    const { tx } = run.answer('a', 'action', done(reply));
    const [, b] = tx.branches;
    expect(b && JSON.parse(payloadOf(tx, b))).toEqual({ id: 'o-1', all: [reply], deep: 2 });
  });

  test.each([{ other: 1 }, null, 'text', []])(
    'one that finds nothing in %j refuses its branch, which is never called',
    (reply) => {
      const run = new Run(saga(['a', { branchId: 'b', payload: '{"id":{"$reply":"a#/id"}}' }]));
      run.answer('a', 'action', done(reply));
      expect(run.tx).toMatchObject({ status: 'aborting', reason: { kind: 'refused', branchId: 'b' } });
      expect(run.finish().calls).toEqual(['action a', 'compensate a']);
      expect(run.tx.branches[1]?.state).toBe('waiting');
    },
  );

  test('under forward recovery it parks, and may be forced', () => {
    const run = new Run(saga(['a', { branchId: 'b', payload: '{"$reply":"a#/id"}' }, 'c'], { recovery: 'forward' }));
    run.answer('a', 'action', done({}));
    expect(run.tx.parked).toMatchObject({ branchId: 'b', op: 'action' });
    run.tx = force(run.tx, 'b') as Transaction;
    run.step([]);
    expect(run.finish().calls).toEqual(['action a', 'action c']);
  });

  test('what they make of a payload has a limit', () => {
    const payload = JSON.stringify(Array.from({ length: 64 }, () => ({ $reply: 'a' })));
    const run = new Run(saga(['a', { branchId: 'b', payload }]));
    run.answer('a', 'action', done('x'.repeat(5000)));
    expect(run.tx.reason?.detail).toMatch(/larger than 262144 bytes/);
  });

  test('a long reply is parsed once, however many refer to it', () => {
    const payload = JSON.stringify(Array.from({ length: 64 }, () => ({ $reply: 'a#/id' })));
    const others = Array.from({ length: 100 }, (_, index) => ({ branchId: `b${index}`, after: ['a'], payload }));
    const run = new Run(saga([{ branchId: 'a', after: [] }, ...others]));
    const reply = JSON.stringify({ id: 1, more: 'x'.repeat(1000) });
    const parse = jest.spyOn(JSON, 'parse');
    run.answer('a', 'action', { kind: 'done', reply });
    for (const branch of run.tx.branches) payloadOf(run.tx, branch);
    expect(run.inFlight.size).toBe(100);
    expect(parse.mock.calls.filter(([text]) => text === reply)).toHaveLength(1);
    parse.mockRestore();
  });

  test('what they make of a payload is no deeper than a payload may be', () => {
    const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));
    const at = (levels: number): Transaction => {
      const run = new Run(saga(['a', { branchId: 'b', payload: '[[{"$reply":"a"}]]' }]));
      return run.answer('a', 'action', done(nested(levels))).tx;
    };
    expect(at(62).status).toBe('open');
    expect(at(63).reason?.detail).toMatch(/nested more than 64 levels deep/);
  });
});
