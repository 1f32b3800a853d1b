/** The trace context of a call. */
import { hash, randomBytes } from 'node:crypto';
import type { Branch, Transaction } from '../domain/transaction.js';
import { operationSpanId, parseTrace } from '../protocol/trace.js';
import type { Op } from '../protocol/words.js';

/** The calls of this process, told apart from those of any other by its own half of the span id. */
const PROCESS_HALF = randomBytes(4).toString('hex');
let spans = 0;

export function traceparent(tx: Transaction, { branchId, since }: Branch, op: Op): string {
  if (tx.trace === null) return ofGid(tx.gid);
  const trace = parseTrace(tx.trace);
  // Of a try that the initiator calls nothing is heard here, so that it has no span of its own.
  const isTold = tx.drive === 'coordinator' || op !== 'try';
  const spanId = trace.isOwn && trace.isSampled && isTold ? operationSpanId(trace, branchId, op, since) : trace.spanId;
  return `00-${trace.traceId}-${spanId}-${trace.isSampled ? '01' : '00'}`;
}

/** Of the last transaction that was called: its branches are called together. */
let last = { gid: '', traceId: '' };

/** Without a trace all calls of a transaction share one: its id comes from the gid, so every node finds the same one. */
function ofGid(gid: string): string {
  spans = (spans + 1) % 2 ** 32;
  if (gid !== last.gid) last = { gid, traceId: hash('sha256', gid).slice(0, 32) };
  return `00-${last.traceId}-${PROCESS_HALF}${spans.toString(16).padStart(8, '0')}-01`;
}
