/** What the timeline says of a step. It is written with the step, in the same statement. */
import type { Answer, Transaction } from '../domain/transaction.js';
import type { TimelineEvent } from './ports.js';

/** A long answer is cut: the timeline tells what happened, it is no log file. */
const DETAIL_CHARS = 500;

/** One call and its answer; null for a call that was never made. */
export function callEvent(
  { branchId, op, outcome }: Answer,
  attempt: number,
  durationMs: number,
  at: number,
  node: string,
): TimelineEvent | null {
  if (outcome.kind === 'postponed') return null;
  const event = {
    at,
    node,
    kind: 'call',
    branchId,
    op,
    attempt,
    outcome: outcome.kind,
    durationMs: Math.round(durationMs),
  } as const;
  if (outcome.kind === 'refused') return { ...event, detail: cut(outcome.reason) };
  if (outcome.kind === 'unknown') return { ...event, detail: cut(outcome.detail) };
  return event;
}

/** Adds an event; a pending answer like the one before becomes a count on that one. */
export function collapse(events: TimelineEvent[], event: TimelineEvent): void {
  const isSame = (before: TimelineEvent): boolean =>
    before.kind === 'call' && before.branchId === event.branchId && before.op === event.op;
  const index = event.outcome === 'pending' ? events.findLastIndex(isSame) : -1;
  const before = events[index];
  if (before?.outcome === 'pending') {
    events[index] = { ...before, count: (before.count ?? 1) + (event.count ?? 1) };
  } else events.push(event);
}

/** What changed between two durable states of a transaction. */
export function transitions(before: Transaction, after: Transaction, at: number, node: string): TimelineEvent[] {
  const events: TimelineEvent[] = [];
  if (before.decision === null && after.decision !== null) events.push(decidedEvent(after, at, node));
  if (before.parked === null && after.parked !== null) {
    const { branchId, op, why } = after.parked;
    events.push({
      at,
      node,
      kind: 'parked',
      ...(branchId ? { branchId } : {}),
      ...(op ? { op } : {}),
      detail: cut(why),
    });
  }
  return [...events, ...endedEvents(after, node, at)];
}

/** None while it has not ended. @param at by default as the transaction itself says */
export function endedEvents({ status, endedAt }: Transaction, node: string, at = endedAt): TimelineEvent[] {
  return endedAt === null || at === null ? [] : [{ at, node, kind: 'ended', detail: status }];
}

export function decidedEvent(
  { decision, reason, plan }: Pick<Transaction, 'decision' | 'reason'> & Partial<Pick<Transaction, 'plan'>>,
  at: number,
  node: string,
): TimelineEvent {
  const forward = plan?.recovery === 'forward' ? ': forward recovery' : '';
  const why = reason === null ? forward : `: ${reason.kind}${reason.detail ? `, ${reason.detail}` : ''}`;
  const branch = reason?.branchId === undefined ? {} : { branchId: reason.branchId };
  return { at, node, kind: 'decided', ...branch, detail: cut(`${decision ?? ''}${why}`) };
}

/** What a person orders, and why: nothing that ends a transaction otherwise than its branches do goes without it (G1). */
export interface Order {
  readonly who: string;
  readonly reason: string;
}

export function operatorEvent(what: string, { who, reason }: Order, at: number, node: string): TimelineEvent {
  return { at, node, kind: 'operator', detail: cut(`${what} by ${who}: ${reason}`) };
}

function cut(text: string): string {
  return text.length <= DETAIL_CHARS ? text : `${text.slice(0, DETAIL_CHARS)}…`;
}
