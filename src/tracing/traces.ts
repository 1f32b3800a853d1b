/**
 * Spans of OpenTelemetry: one for each transaction, one for each operation of a branch with its attempts as events.
 * Loaded only where an exporter is configured.
 *
 * A span is made when what it tells of is over, with ids and a begin that are recorded with the transaction: no
 * state is needed for most, and whichever node ends something can tell of it, whoever began it.
 */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace as api } from '@opentelemetry/api';
import type { Attributes, Context, Span, SpanContext, Tracer } from '@opentelemetry/api';
import type { Branch, Transaction } from '../domain/transaction.js';
import type { BeginRequest } from '../engine/begin.js';
import type { AnsweredCall, Clock, Observer } from '../engine/ports.js';
import { operationSpanId, parseTrace, parseTraceparent, traceText } from '../protocol/trace.js';
import type { Trace } from '../protocol/trace.js';
import type { Op } from '../protocol/words.js';
import type { GivenId } from './given-id.js';

/** Transactions of which operations are under way that were asked more than once; the oldest are forgotten beyond it. */
const MAX_UNDER_WAY = 10_000;

/** Of any other a no is none, and it is asked again. */
const MAY_REFUSE: ReadonlySet<Op> = new Set<Op>(['try', 'action', 'check']);

/** An operation that was asked, and will be asked again. */
interface UnderWay {
  readonly span: Span;
  readonly branchId: string;
  /** Of the last attempt, ms. */
  at: number;
}

export class Traces implements Observer {
  /** By gid, then by id of the span. */
  private readonly underWay = new Map<string, Map<string, UnderWay>>();

  /**
   * @param deciding asked once for each transaction whether it is sampled, and for its ids
   * @param recording samples everything, under the ids that `given` holds
   */
  constructor(
    private readonly deciding: Tracer,
    private readonly recording: Tracer,
    private readonly given: GivenId,
    private readonly clock: Clock,
  ) {}

  /** The trace of a new transaction, in the one that its initiator named or in one of its own. */
  readonly traceOf = ({ mode, traceparent }: BeginRequest): string => {
    const from = parseTraceparent(traceparent);
    const { traceId, spanId, traceFlags } = this.deciding
      .startSpan(nameOf(mode), {}, from ? contextOf(from.traceId, from.spanId, from.isSampled) : ROOT_CONTEXT)
      .spanContext();
    const parentId = from?.spanId ?? null;
    return traceText({ traceId, spanId, isSampled: (traceFlags & 1) === 1, parentId, isOwn: true });
  };

  answered({ tx, branch, op, attempt, outcome, durationMs }: AnsweredCall): void {
    const trace = recordedOf(tx);
    if (!trace || outcome.kind === 'postponed') return;
    const id = operationSpanId(trace, branch.branchId, op, branch.since);
    const before = this.underWay.get(tx.gid)?.get(id);
    const at = this.clock.now();
    const span = before?.span ?? this.operation(trace, id, tx, branch, op);
    span.addEvent(
      'attempt',
      { 'tercet.attempt': attempt, 'tercet.outcome': outcome.kind, 'tercet.duration_ms': Math.round(durationMs) },
      at,
    );
    const isOver = outcome.kind === 'done' || (outcome.kind === 'refused' && MAY_REFUSE.has(op));
    if (isOver) {
      span.setAttribute('tercet.outcome', outcome.kind).end(at);
      this.forget(tx.gid, id);
    } else if (before) before.at = at;
    else this.remember(tx.gid, id, { span, branchId: branch.branchId, at });
  }

  /** The operations that were given up begin anew when the transaction is resumed. */
  parked(tx: Transaction): void {
    const givenUp = new Set(tx.branches.filter(({ gaveUp }) => gaveUp !== null).map(({ branchId }) => branchId));
    this.giveUp(tx.gid, ({ branchId }) => givenUp.has(branchId));
  }

  ended(tx: Transaction): void {
    // A try that stayed unknown is not asked again after the decision.
    this.giveUp(tx.gid, () => true);
    const trace = recordedOf(tx);
    if (!trace) return;
    const span = this.start(trace, trace.spanId, trace.parentId, nameOf(tx.mode), SpanKind.INTERNAL, tx.beganAt, {
      'tercet.gid': tx.gid,
      'tercet.mode': tx.mode,
      'tercet.status': tx.status,
      'tercet.branches': tx.branches.length,
      ...(tx.reason && { 'tercet.reason': tx.reason.kind }),
    });
    if (tx.decidedAt !== null) span.addEvent('decided', { 'tercet.decision': tx.decision ?? '' }, tx.decidedAt);
    // A no is an answer; these are none.
    const isFailure = tx.reason?.kind === 'unknown' || tx.reason?.kind === 'deadline';
    if (isFailure) span.setStatus({ code: SpanStatusCode.ERROR, message: tx.reason?.kind ?? '' });
    span.end(tx.endedAt ?? this.clock.now());
  }

  /** Others end what was under way here, under the same ids. */
  leaseLost(): void {
    this.underWay.clear();
  }

  private operation(trace: Trace, id: string, tx: Transaction, branch: Branch, op: Op): Span {
    const name = `${op} ${branch.component}`;
    const begin = branch.since ?? tx.beganAt;
    return this.start(trace, id, trace.spanId, name, SpanKind.CLIENT, begin, {
      'tercet.gid': tx.gid,
      'tercet.branch': branch.branchId,
      'tercet.component': branch.component,
      'tercet.op': op,
    });
  }

  private start(
    { traceId }: Trace,
    spanId: string,
    parentId: string | null,
    name: string,
    kind: SpanKind,
    startTime: number,
    attributes: Attributes,
  ): Span {
    this.given.set(traceId, spanId);
    const context = parentId === null ? ROOT_CONTEXT : contextOf(traceId, parentId, true);
    return this.recording.startSpan(name, { kind, startTime, attributes }, context);
  }

  private giveUp(gid: string, isGivenUp: (operation: UnderWay) => boolean): void {
    for (const [id, operation] of this.underWay.get(gid) ?? []) {
      if (!isGivenUp(operation)) continue;
      operation.span.setStatus({ code: SpanStatusCode.ERROR, message: 'given up' }).end(operation.at);
      this.forget(gid, id);
    }
  }

  private remember(gid: string, id: string, operation: UnderWay): void {
    const there = this.underWay.get(gid);
    if (there) there.set(id, operation);
    else this.underWay.set(gid, new Map([[id, operation]]));
    if (this.underWay.size <= MAX_UNDER_WAY) return;
    for (const oldest of this.underWay.keys()) return void this.underWay.delete(oldest);
  }

  private forget(gid: string, id: string): void {
    const operations = this.underWay.get(gid);
    operations?.delete(id);
    if (operations?.size === 0) this.underWay.delete(gid);
  }
}

/** The trace that spans are made in; null: it is not sampled, or was begun where nothing is exported. */
function recordedOf({ trace }: Transaction): Trace | null {
  const parsed = trace === null ? null : parseTrace(trace);
  return parsed?.isOwn && parsed.isSampled ? parsed : null;
}

function nameOf(mode: string): string {
  return `${mode} transaction`;
}

function contextOf(traceId: string, spanId: string, isSampled: boolean): Context {
  const context: SpanContext = { traceId, spanId, traceFlags: isSampled ? 1 : 0, isRemote: true };
  return api.setSpanContext(ROOT_CONTEXT, context);
}
