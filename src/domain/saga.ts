/**
 * Saga: actions in the order of their graph; where one fails, what was started is undone in the reverse order.
 *
 * S1. A branch starts once all that it comes after are done, and is recorded before its action is called (but see S5).
 * S2. What an abort must undo is what was started, whatever it answered: a failed action may have taken effect.
 * S3. A branch is undone after everything that started once it was done: the exact reverse of an ordered saga, and
 *     side by side what ran side by side.
 * S4. Once the decision is commit (all done, the pivot done, or forward recovery) nothing is undone.
 * S5. Where every branch can be undone and has its payload from the begin, and the graph alone says in which order they
 *     run, the begin records that all of them may be called: whoever began it calls them with no write in between. Who
 *     reads that in the log, and knows no more, undoes those that wait too, before all others, whatever an action says
 *     now: somebody else may still be calling.
 */
import { refersToReplies, unresolvable } from './reference.js';
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
    const ahead = tx.branches.filter((branch) => branch.ahead && isToBeUndone(branch));
    if (ahead.length > 0) {
      // None of them was recorded, so that all of them came later than what was.
      const before = whatComesBefore(tx, ahead);
      return (branch) => branch.ahead && !before.has(branch);
    }
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
      return { ...branch, state: 'started' as const, ahead: false, since: now, span: { from, to: null } };
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

function isToBeUndone({ plan, span, state, ahead }: Branch): boolean {
  const mayHaveRun = span !== null || ahead;
  return mayHaveRun && plan?.compensate === true && state !== 'compensated' && state !== 'forced';
}

/** Directly or not. */
function whatComesBefore({ branches }: Transaction, those: readonly Branch[]): ReadonlySet<Branch> {
  const before = new Set<Branch>();
  const left = [...those];
  for (let branch = left.pop(); branch !== undefined; branch = left.pop()) {
    for (const position of branch.plan?.after ?? []) {
      const one = branches[position];
      if (one === undefined || before.has(one)) continue;
      before.add(one);
      left.push(one);
    }
  }
  return before;
}

/** The saga that begins, with what waits to be called ahead of the log, if all of it may be. */
export function begunAhead(tx: Transaction): Transaction {
  const { plan, branches } = tx;
  const canBeUndone = (branch: Branch): boolean => branch.plan?.compensate === true && !branch.plan.pivot;
  if (plan?.recovery !== 'backward' || !branches.every(canBeUndone) || branches.some(refersToReplies)) return tx;
  if (!runsInLayers(branches, plan.parallel)) return tx;
  return {
    ...tx,
    branches: branches.map((branch) => (branch.state === 'waiting' ? { ...branch, ahead: true } : branch)),
  };
}

/**
 * Whether they run in the order of their graph alone, however long each takes: each comes after the whole layer before
 * its own, and a layer may run side by side. Elsewhere the log must say what ran before what (S3).
 */
function runsInLayers(branches: readonly Branch[], parallel: number): boolean {
  const after = branches.map(({ plan }) => plan?.after ?? []);
  const layers: number[] = [];
  const layerOf = (position: number): number =>
    (layers[position] ??= Math.max(-1, ...(after[position] ?? []).map(layerOf)) + 1);
  const sizes: number[] = [];
  branches.forEach((_branch, position) => {
    const layer = layerOf(position);
    sizes[layer] = (sizes[layer] ?? 0) + 1;
  });
  const isAfterAllOf = (layer: number, those: readonly number[]): boolean =>
    those.filter((position) => layers[position] === layer).length === (sizes[layer] ?? 0);
  return Math.max(...sizes) <= parallel && after.every((those, at) => isAfterAllOf((layers[at] ?? 0) - 1, those));
}

/** The branches, for whoever knows that none of those that wait was called. */
export function noneAhead(branches: readonly Branch[]): readonly Branch[] {
  return branches.map((branch) => (branch.ahead ? { ...branch, ahead: false } : branch));
}

/** Whether all that the branch comes after is done. */
export function isReady(tx: Transaction, { plan }: Branch): boolean {
  return (plan?.after ?? []).every((position) => {
    const before = tx.branches[position];
    return before !== undefined && isThrough(before);
  });
}
