/** What took effect, what of it was undone, and whether that is all or nothing. */
import type { Op, TransactionView } from '../../protocol/words.js';
import type { CallRecord } from './participants.js';
import { changesBetween, isWithin } from './state.js';
import type { Change, Snapshot } from './state.js';

/** What one branch did. */
export interface Effect {
  readonly gid: string;
  readonly branchId: string;
  readonly component: string;
  /** The operations whose function took effect, in order. */
  readonly ops: readonly Op[];
  /** `held`: tried, and neither confirmed nor cancelled. */
  readonly state: 'held' | 'stands' | 'undone';
}

export function effectsIn(records: readonly CallRecord[]): Effect[] {
  const branches = new Map<string, CallRecord[]>();
  for (const record of records) {
    if (!record.ran) continue;
    const key = `${record.gid}/${record.branchId}`;
    branches.set(key, [...(branches.get(key) ?? []), record]);
  }
  return [...branches.values()].flatMap((ran) => {
    const [first] = ran;
    const ops = ran.map(({ op }) => op);
    return first
      ? [{ gid: first.gid, branchId: first.branchId, component: first.component, ops, state: stateOf(ops) }]
      : [];
  });
}

function stateOf(ops: readonly Op[]): Effect['state'] {
  if (ops.includes('cancel') || ops.includes('compensate')) return 'undone';
  return ops.some((op) => op === 'confirm' || op === 'action' || op === 'deliver') ? 'stands' : 'held';
}

/** What of one transaction is neither all nor nothing, in words. */
export function incompleteIn(tx: TransactionView, effects: readonly Effect[]): string[] {
  if (tx.endedAt === null) {
    const why = tx.parked ? `parked at ${tx.parked.branchId ?? 'all of it'}: ${tx.parked.why}` : 'and has not ended';
    return [`'${tx.gid}' is ${tx.status}, ${why}`];
  }
  return tx.branches.flatMap(({ branchId, component, state }) => {
    const effect = effects.find((found) => found.gid === tx.gid && found.branchId === branchId);
    const of = `branch '${branchId}' (${component}) of '${tx.gid}', which is ${tx.status}`;
    if (state === 'forced') return [`${of}, was forced: whether it took effect is not known here`];
    // It is on its way to Kafka.
    if (state === 'queued') return [];
    if (tx.status === 'committed') {
      if (effect?.state === 'stands') return [];
      return [effect ? `${of}, ${said(effect)}` : `${of}, has no effect`];
    }
    // One that has nothing to undo, says whoever began the saga, is left as it is.
    if (!effect || effect.state === 'undone' || (state !== 'cancelled' && state !== 'compensated')) return [];
    return [`${of}, took effect and was not undone`];
  });
}

function said({ state }: Effect): string {
  return state === 'undone' ? 'was undone' : 'is held and not confirmed';
}

/** What differs from what it should be, and which functions had a hand in it. */
export function leftOver(should: Snapshot, is: Snapshot, records: readonly CallRecord[]): string[] {
  return changesBetween(should, is).map(({ path, before, after }) => {
    const hands = records.flatMap((record) => handIn(path, record, records));
    const by = hands.length === 0 ? 'no function of a component changed it' : hands.join(', then ');
    return `${path} is ${after}, should be ${before}: ${by}`;
  });
}

function handIn(path: string, record: CallRecord, records: readonly CallRecord[]): string[] {
  const change = changeOf(path, record);
  if (!change) return [];
  const what = change.path === path ? `it ${change.after}` : change.path;
  const text = `${record.op} of ${record.component} made ${what}`;
  const undo = records.find(
    ({ gid, branchId, op, ran }) =>
      ran && gid === record.gid && branchId === record.branchId && (op === 'cancel' || op === 'compensate'),
  );
  const isForgotten = undo && undo !== record && !changeOf(path, undo);
  return [isForgotten ? `${text}, and its ${undo.op} left it so` : text];
}

function changeOf(path: string, { changes }: CallRecord): Change | undefined {
  return changes.find((change) => isWithin(path, change.path));
}
