/** One transaction in words: how far it is, why it ended as it did, what it waits for. */
import type { BranchView, EventView, Op, TransactionView } from '../protocol/words.js';
import { clock, span } from './moments.js';
import { plain } from './terminal.js';
import type { Style } from './terminal.js';
import type { Cell } from './table.js';

export function isEnded({ status }: TransactionView): boolean {
  return status === 'committed' || status === 'aborted';
}

export function statusCell({ status, parked }: TransactionView): Cell {
  if (parked) return [status, 'red'];
  const styles = { committed: 'green', aborted: 'yellow', open: 'cyan', committing: 'cyan', aborting: 'cyan' } as const;
  return [status, styles[status]];
}

/** Branches that have done what the status asks of them, of all. */
export function progress(tx: TransactionView): string {
  return `${tx.branches.length - waiting(tx).length}/${tx.branches.length}`;
}

/** Why it was aborted or parked, or what it waits for; empty for a plain commit. */
export function whyCell(tx: TransactionView): Cell {
  const { parked, reason } = tx;
  // Of what an operator parked, why says so itself.
  if (parked) return [`${parked.branchId === null ? '' : 'parked: '}${parkedText(parked)}`, 'red'];
  if (reason) return reasonText(reason);
  const [first] = waiting(tx);
  if (isEnded(tx)) return '';
  if (tx.check && tx.status === 'open') return producerCell(tx.check);
  if (!first) return '';
  if (first.state === 'waiting' && tx.deliverAt) return `waits for its time, ${clock(tx.deliverAt)}`;
  return `waits for ${first.branchId}${first.attempts > 0 ? `, ${count(first.attempts, 'attempt')}` : ''}`;
}

export function reasonText({ kind, branchId, detail }: NonNullable<TransactionView['reason']>): string {
  return `${kind}${branchId === undefined ? '' : ` by ${branchId}`}${detail ? `: ${plain(detail)}` : ''}`;
}

/** Why names the operation by itself. */
export function parkedText({ branchId, why }: NonNullable<TransactionView['parked']>): string {
  return `${branchId === null ? '' : `${branchId}: `}${plain(why)}`;
}

function producerCell({ component, attempts }: NonNullable<TransactionView['check']>): string {
  return `waits for ${component}${attempts > 0 ? `, asked ${times(attempts)}` : ''}`;
}

/** What an unfinished transaction waits for: branch, operation, attempts, since when, and the last answer. */
export function waitsFor(tx: TransactionView, events: readonly EventView[], now: number): string {
  if (tx.check && tx.status === 'open') return waitsForProducer(tx.check, events, now);
  const branches = waiting(tx);
  if (tx.deliverAt && branches.some(({ state }) => state === 'waiting')) {
    return `its time, ${clock(tx.deliverAt)}, in ${span(Date.parse(tx.deliverAt) - now)}`;
  }
  const op = opOf(tx);
  const isCall = ({ kind, branchId, op: called }: EventView): boolean =>
    kind === 'call' && called === op && branches.some((branch) => branch.branchId === branchId);
  const last = events.findLast(isCall);
  const first = branches.find(({ branchId }) => branchId === last?.branchId) ?? branches[0];
  const others = branches.filter((branch) => branch !== first);
  if (!first) return tx.status === 'open' ? 'the submit or abort of its initiator' : 'its last write';
  const since = span(now - Date.parse(tx.decidedAt ?? tx.beganAt));
  const more = others.length > 0 ? `; and for ${count(others.length, 'other branch', 'other branches')}` : '';
  if (!last) {
    const by = tx.status === 'open' && tx.mode === 'tcc' ? ', or its initiator' : '';
    return `${first.branchId}: ${op}${by}, since ${since}, no answer yet${more}`;
  }
  const said = last.detail ? `${outcomeOf(last)}, ${plain(last.detail)}` : outcomeOf(last);
  return `${first.branchId}: ${op}, attempt ${last.attempt ?? 1}, since ${since}, last answer: ${said}${more}`;
}

/** A half message: what its producer said when it was asked, and when it will be asked again. */
function waitsForProducer(
  { component, attempts, nextAt }: NonNullable<TransactionView['check']>,
  events: readonly EventView[],
  now: number,
): string {
  const last = events.findLast(({ kind, op }) => kind === 'call' && op === 'check');
  const left = nextAt === null ? 0 : Date.parse(nextAt) - now;
  const next = left <= 0 ? 'is being asked' : `will be asked in ${span(left)}`;
  const said = last ? `, last answer: ${outcomeOf(last)}${last.detail ? `, ${plain(last.detail)}` : ''}` : '';
  const asked = attempts > 0 ? ` (asked ${times(attempts)}${said})` : '';
  return `submit or abort; else ${component} ${next}${asked}`;
}

export function times(number: number): string {
  return number === 1 ? 'once' : `${number} times`;
}

export function outcomeOf({ outcome = 'unknown', count: repeats = 1 }: EventView): string {
  return repeats > 1 ? `${outcome} ×${repeats}` : outcome;
}

export const OUTCOME_STYLES = { done: 'green', refused: 'yellow', pending: 'cyan', unknown: 'red' } as const satisfies {
  [outcome in NonNullable<EventView['outcome']>]: Style;
};

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** Of a saga, first those that it is at: forth the first that are not done, back the last. */
function waiting(tx: TransactionView): BranchView[] {
  const branches = tx.branches.filter((branch) => !isDone(tx, branch));
  return tx.mode === 'saga' && tx.decision === 'abort' ? branches.reverse() : branches;
}

function isDone({ mode, decision }: TransactionView, { state, compensate }: BranchView): boolean {
  if (state === 'forced') return true;
  if (decision === null) return state === 'done';
  // Nothing was delivered before the decision: there is nothing to undo.
  if (mode === 'message' && decision === 'abort') return true;
  if (mode === 'saga') {
    if (decision === 'commit') return state === 'done';
    // What was not started, or has nothing to undo, is done with.
    return state === 'compensated' || state === 'waiting' || compensate === false;
  }
  const ends = { commit: ['confirmed', 'delivered', 'queued'], abort: ['cancelled'] } as const;
  return (ends[decision] as readonly string[]).includes(state);
}

function opOf({ mode, decision }: TransactionView): Op {
  const ops = {
    tcc: { open: 'try', commit: 'confirm', abort: 'cancel' },
    saga: { open: 'action', commit: 'action', abort: 'compensate' },
    message: { open: 'check', commit: 'deliver', abort: 'check' },
  } as const;
  return ops[mode][decision ?? 'open'];
}
