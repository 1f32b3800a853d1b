/**
 * The trace that a transaction belongs to, in the form of the W3C's `traceparent`, as it is kept with the transaction.
 * Whoever drives it finds the same ids, after a crash too.
 */
import { hash } from 'node:crypto';

export interface Trace {
  readonly traceId: string;
  /** Of the transaction's own span, where it has one; else of whoever began it. */
  readonly spanId: string;
  readonly isSampled: boolean;
  /** The span of whoever began it: of the own span, if there is one, the parent. Null: nobody's. */
  readonly parentId: string | null;
  /** Whether the transaction has a span of its own, or passes on what came with it. */
  readonly isOwn: boolean;
}

const NOBODY = '0'.repeat(16);
const FORM = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** @returns null for what is none: it is ignored, as the W3C wants it */
export function parseTraceparent(header: string | undefined): Trace | null {
  const [, traceId, spanId, flags, more] = FORM.exec(header ?? '') ?? [];
  if (!traceId || !spanId || !flags || (more !== undefined && header?.startsWith('00'))) return null;
  return { traceId, spanId, isSampled: (parseInt(flags, 16) & 1) === 1, parentId: spanId, isOwn: false };
}

/** The text that is kept: a `traceparent`, and behind it the parent where the span is the transaction's own. */
export function traceText({ traceId, spanId, isSampled, parentId, isOwn }: Trace): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}${isOwn ? `-${parentId ?? NOBODY}` : ''}`;
}

export function parseTrace(text: string): Trace {
  const [, traceId = '', spanId = '', flags, parent] = text.split('-');
  const parentId = parent === NOBODY ? null : (parent ?? spanId);
  return { traceId, spanId, isSampled: flags === '01', parentId, isOwn: parent !== undefined };
}

/** What is kept of a trace that this node does not add to. */
export function passedOn(header: string | undefined): string | null {
  const trace = parseTraceparent(header);
  return trace && traceText(trace);
}

/**
 * The span of one operation of one branch, all its attempts together. It comes from what is recorded, so that the node
 * which ends the operation knows the id under which another one began it.
 *
 * @param since when the operation became due: one that was given up and resumed is another
 */
export function operationSpanId(
  { traceId, spanId }: Trace,
  branchId: string,
  op: string,
  since: number | null,
): string {
  return hash('sha256', `${traceId}-${spanId}-${branchId}-${op}-${since ?? ''}`).slice(0, 16);
}
