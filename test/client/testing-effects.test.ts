/** What the test kit calls neither all nor nothing, were the coordinator itself wrong. */
import { incompleteIn } from '../../src/client/testing/effects.js';
import type { Effect } from '../../src/client/testing/effects.js';
import type { BranchState, Status, TransactionView } from '../../src/protocol/words.js';

const at = '2030-01-01T00:00:00.000Z';

function ended(status: Status, state: BranchState): TransactionView {
  const branch = { branchId: 'a', component: 'order', state, attempts: 1, reply: null };
  const none = { businessKey: null, release: null, reason: null, parked: null, deadlineAt: null } as const;
  const fixed = { gid: 'g', mode: 'saga', ...none } as const;
  return { ...fixed, status, decision: null, branches: [branch], beganAt: at, decidedAt: at, endedAt: at };
}

const effect = (state: Effect['state']): Effect => ({ gid: 'g', branchId: 'a', component: 'order', ops: [], state });

test.each<[Status, BranchState, Effect['state'] | null, string | null]>([
  ['committed', 'done', 'stands', null],
  ['committed', 'confirmed', 'held', 'is held and not confirmed'],
  ['committed', 'done', 'undone', 'was undone'],
  ['committed', 'done', null, 'has no effect'],
  ['committed', 'forced', null, 'was forced'],
  ['aborted', 'compensated', 'undone', null],
  ['aborted', 'compensated', null, null],
  ['aborted', 'compensated', 'stands', 'took effect and was not undone'],
  ['aborted', 'cancelled', 'held', 'took effect and was not undone'],
  ['aborted', 'done', 'stands', null],
  ['aborted', 'started', 'stands', null],
])('%s, the branch is %s and its effect %s: %s', (status, state, found, problem) => {
  const problems = incompleteIn(
    ended(status, state),
    found ? [effect(found), { ...effect('stands'), gid: 'other' }] : [],
  );
  if (problem === null) expect(problems).toEqual([]);
  else expect(problems).toEqual([expect.stringContaining(problem)]);
});
