/** TCC: try all, then confirm all or cancel all. */
import type { Branch, ModeRules, Transaction } from './transaction.js';

export const tcc: ModeRules = {
  opOf(tx: Transaction, branch: Branch) {
    switch (tx.status) {
      case 'open':
        return tx.drive === 'coordinator' && branch.state === 'started' ? 'try' : null;
      case 'committing':
        return branch.state === 'confirmed' || branch.state === 'forced' ? null : 'confirm';
      case 'aborting':
        // Every branch that was started is cancelled, whatever its try answered: a try that timed out may have
        // taken effect, and one that refused may have done so after an earlier, lost, attempt took effect.
        return branch.state === 'cancelled' || branch.state === 'forced' || branch.state === 'waiting'
          ? null
          : 'cancel';
      case 'committed':
      case 'aborted':
        return null;
    }
  },

  turns: () => () => true,
  parallel: () => Infinity,
  start: (tx: Transaction) => tx,
  startsAt: () => null,

  verdict(tx: Transaction) {
    // An initiator-driven transaction is decided by submit, abort or its deadline alone.
    if (tx.drive === 'initiator') return null;
    const refused = tx.branches.find((branch) => branch.state === 'refused');
    if (refused) {
      return { decision: 'abort', reason: reasonOf('refused', refused) };
    }
    const unknown = tx.branches.find((branch) => branch.gaveUp !== null);
    if (unknown) {
      return { decision: 'abort', reason: reasonOf('unknown', unknown) };
    }
    return tx.branches.every((branch) => branch.state === 'done') ? { decision: 'commit', reason: null } : null;
  },
};

function reasonOf(kind: 'refused' | 'unknown', branch: Branch) {
  return { kind, branchId: branch.branchId, detail: branch.gaveUp ?? '' } as const;
}
