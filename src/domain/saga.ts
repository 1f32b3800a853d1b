/**
 * Saga: actions in the order of their graph; where one fails, what was started is undone in the reverse order.
 *
 * S1. A branch starts once all that it comes after are done, and is recorded before its action is called.
 * S2. What an abort must undo is what was started, whatever it answered: a failed action may have taken effect.
 * S3. A branch is undone after everything that started once it was done: the exact reverse of an ordered saga, and
 *     side by side what ran side by side.
 * S4. Once the decision is commit (all done, the pivot done, or forward recovery) nothing is undone.
 */
import { unresolvable } from './reference.js';
import { isHeld } from './transaction.js';
import type { Branch, ModeRules, Transaction } from './transaction.js';

export const saga: ModeRules = {
  opOf(tx: Transaction, branch: Branch) {
    switch (tx.status) {
      case 'open':
      case 'committing':
        return isThrough(branch) ? null : 'action';
      case 'aborting':
        return isToBeUndone(branch) ? 'compensate' : null;
      case 'committed':
      case 'aborted':
        return null;
    }
  },

  turns(tx: Transaction) {
    if (tx.status !== 'aborting') return ({ span }) => span !== null;
    const lastStart = tx.branches.reduce(
      (last, branch) => (isToBeUndone(branch) ? Math.max(last, branch.span?.from ?? 0) : last),
      0,
    );
    return ({ span }) => span !== null && (span.to === null || span.to > lastStart);
  },

  parallel: (tx: Transaction) => tx.plan?.parallel ?? Infinity,

  start(tx: Transaction, now: number) {
    if (tx.status !== 'open' && tx.status !== 'committing') return tx;
    // One that was given up holds up nobody but those that come after it.
    const isRunning = (branch: Branch): boolean => branch.span !== null && branch.gaveUp === null && !isThrough(branch);
    let room = this.parallel(tx) - tx.branches.filter(isRunning).length;
    const from = nextStep(tx);
    let isChanged = false;
    const branches = tx.branches.map((branch) => {
      if (room <= 0 || branch.state !== 'waiting' || branch.gaveUp !== null || !isReady(tx, branch)) return branch;
      isChanged = true;
      const problem = unresolvable(tx, branch);
      if (problem !== null) return { ...branch, gaveUp: problem };
      room -= 1;
      return { ...branch, state: 'started' as const, since: now, span: { from, to: null } };
    });
    return isChanged ? { ...tx, branches } : tx;
  },

  startsAt: () => null,

  verdict(tx: Transaction, now: number) {
    // The pivot first: it may be what cannot be undone.
    if (tx.branches.some(({ plan, state }) => plan?.pivot && state === 'done')) {
      return { decision: 'commit', reason: null };
    }
    for (const branch of tx.branches) {
      const { branchId, gaveUp, state } = branch;
      if (gaveUp !== null) {
        // One that was not started was not called either: its payload could not be made.
        const kind = state === 'refused' || state === 'waiting' ? 'refused' : 'unknown';
        return { decision: 'abort', reason: { kind, branchId, detail: gaveUp } };
      }
      if (!isHeld(tx) && now >= (deadlineOf(branch) ?? Infinity)) {
        const detail = 'the action was not done before the deadline of its branch';
        return { decision: 'abort', reason: { kind: 'deadline', branchId, detail } };
      }
    }
    return tx.branches.every(isThrough) ? { decision: 'commit', reason: null } : null;
  },
};

/** When the action of a started branch must be done, ms; null: nothing is said of it, or it is done. */
export function deadlineOf({ plan, since, state }: Branch): number | null {
  // One that was refused beside the pivot is called again.
  const isCalled = state === 'started' || state === 'refused';
  return isCalled && since !== null && plan?.deadlineMs !== undefined ? since + plan.deadlineMs : null;
}

/** The number of the next step of a saga. */
export function nextStep({ branches }: Transaction): number {
  return 1 + branches.reduce((last, { span }) => Math.max(last, span?.from ?? 0, span?.to ?? 0), 0);
}

function isThrough({ state }: Branch): boolean {
  return state === 'done' || state === 'forced';
}

function isToBeUndone({ plan, span, state }: Branch): boolean {
  return span !== null && plan?.compensate === true && state !== 'compensated' && state !== 'forced';
}

/** Whether all that the branch comes after is done. */
export function isReady(tx: Transaction, { plan }: Branch): boolean {
  return (plan?.after ?? []).every((position) => {
    const before = tx.branches[position];
    return before !== undefined && isThrough(before);
  });
}
