/** Sagas that run ahead of the log: what is called, what is written, and what somebody makes of it who only has the log. */
import { force, park } from '../../src/domain/operator.js';
import { decide } from '../../src/domain/transaction.js';
import type { Transaction } from '../../src/domain/transaction.js';
import { DIAMOND, REFUSED, Run, saga, UNKNOWN } from './saga-run.js';

const UNTIL = 1000;
const TWO_ROWS = [
  { branchId: 'a', after: [] },
  { branchId: 'b', after: ['a'] },
  { branchId: 'x', after: [] },
  { branchId: 'y', after: ['x'] },
];
const isAhead = true;
const aheadOf = ({ branches }: Transaction): string[] => branches.flatMap((b) => (b.ahead ? [b.branchId] : []));
const abort = (tx: Transaction): Transaction => decide(tx, 'abort', { kind: 'requested' }, 5);

describe('whoever began it', () => {
  test('calls all its actions with no write in between: its begin and its end are two', () => {
    const run = new Run(saga(['a', 'b', 'c'], { isAhead }), UNTIL);
    for (const name of ['a', 'b', 'c']) run.answer(name, 'action');
    expect(run.calls).toEqual(['action a', 'action b', 'action c']);
    expect(run.saves).toEqual(['ended']);
    expect(aheadOf(run.tx)).toEqual([]);
  });

  test('undoes what was called and nothing else, since the write of the abort says what was not', () => {
    const run = new Run(saga(['a', 'b', 'c', 'd'], { isAhead }), UNTIL);
    run.answer('a', 'action');
    run.answer('b', 'action', REFUSED);
    expect([run.saves, aheadOf(run.tx)]).toEqual([['decided'], []]);
    expect(run.finish().calls.slice(2)).toEqual(['compensate b', 'compensate a']);
    expect(run.tx.branches.map(({ state }) => state)).toEqual(['compensated', 'compensated', 'waiting', 'waiting']);
  });

  test('writes down how far it is when it takes long, and goes on with a write before each call', () => {
    const run = new Run(saga(['a', 'b', 'c', 'd'], { isAhead }), UNTIL);
    expect(run.step([]).wakeAt).toBe(UNTIL);
    run.answer('a', 'action');
    expect([run.saves, aheadOf(run.tx)]).toEqual([[], ['c', 'd']]);
    expect(run.step([], UNTIL)).toMatchObject({ save: 'started', calls: [] });
    expect([aheadOf(run.tx), run.step([]).wakeAt]).toEqual([[], null]);
    run.answer('b', 'action');
    expect(run.saves).toEqual(['started', 'started']);
  });

  test('writes it down also when all of it was called', () => {
    const run = new Run(saga(['a', 'b'], { isAhead }), UNTIL);
    run.answer('a', 'action');
    expect(run.step([], UNTIL).save).toBe('started');
  });
});

describe('only a saga that can be undone wherever it stops, in an order that is known from its begin', () => {
  test.each<[string, Parameters<typeof saga>]>([
    ['with a branch that has nothing to undo', [['a', { branchId: 'b', compensate: false }, 'c']]],
    ['with a pivot', [['a', 'b', { branchId: 'c', pivot: true }]]],
    ['with a payload that needs a reply', [['a', { branchId: 'b', payload: '{"$reply":"a"}' }, 'c']]],
    ['with forward recovery', [['a', 'b', 'c'], { recovery: 'forward' }]],
    ['whose branches run one by one though nothing orders them', [DIAMOND, { parallel: 1 }]],
    ['of two rows beside each other', [TWO_ROWS]],
    ['with a branch that need not wait for all that begins before it', [[...DIAMOND, { branchId: 'e', after: ['b'] }]]],
  ])('not one %s', (_name, [branches, over]) => {
    const run = new Run(saga(branches, { ...over, isAhead }), UNTIL);
    expect(aheadOf(run.tx)).toEqual([]);
    run.answer('a', 'action');
    expect(run.saves).toHaveLength(1);
  });
});

describe('who has it from the log', () => {
  test('calls again from where the log has it, and writes before each call', () => {
    const run = new Run(saga(['a', 'b', 'c'], { isAhead })).finish();
    expect(run.calls).toEqual(['action a', 'action b', 'action c']);
    expect(run.saves).toEqual(['started', 'started', 'ended']);
  });

  test('undoes first, in reverse, what may have been called, and still knows of it after a write', () => {
    const run = new Run(saga(['a', 'b', 'c', 'd'], { isAhead }));
    run.answer('a', 'action');
    expect(aheadOf(run.tx)).toEqual(['c', 'd']);
    run.answer('b', 'action', UNKNOWN);
    run.step([], 5000);
    run.answer('b', 'action', UNKNOWN);
    expect(run.tx).toMatchObject({ status: 'aborting', reason: { kind: 'unknown', branchId: 'b' } });
    expect(run.finish().calls.slice(3)).toEqual(['compensate d', 'compensate c', 'compensate b', 'compensate a']);
    expect(run.tx.status).toBe('aborted');
  });

  test('undoes what comes after an action that refuses too: whoever began it may live, and hear another answer', () => {
    const run = new Run(saga(DIAMOND, { isAhead }));
    run.answer('a', 'action', REFUSED);
    expect(run.finish().calls.slice(1, 2)).toEqual(['compensate d']);
    expect(run.calls.slice(2, 4).sort()).toEqual(['compensate b', 'compensate c']);
    expect(run.calls.slice(4)).toEqual(['compensate a']);
  });

  test('what comes before one that a person took for done waits for those after it all the same', () => {
    const held = park(abort(saga(['a', 'b', 'c'], { isAhead })), 1, 'by hand');
    const forced = force(held, 'b');
    if (typeof forced === 'string') throw new Error(forced);
    expect(new Run({ ...forced, parked: null }).finish().calls).toEqual(['compensate c', 'compensate a']);
  });

  test('asks again what answered before the log knew that it was called', () => {
    const run = new Run(saga(['a', 'b'], { isAhead }));
    run.inFlight.add('b');
    run.answer('b', 'action');
    expect(run.tx.branches[1]).toMatchObject({ state: 'waiting', ahead: true });
    expect(run.finish().calls).toEqual(['action a', 'action b']);
  });

  test('what was decided meanwhile goes on in the same way', () => {
    const run = new Run(abort(saga(['a', 'b', 'c'], { isAhead })));
    expect(run.finish().calls).toEqual(['compensate c', 'compensate b', 'compensate a']);
  });

  test('a person can take for done what may have been called and cannot be undone', () => {
    const held = park(abort(saga(['a', 'b'], { isAhead })), 1, 'by hand');
    const forced = force(held, 'b');
    expect(typeof forced === 'string' ? forced : forced.branches[1]).toMatchObject({ state: 'forced', ahead: false });
  });
});
