/** One request and its answer. */
import type { Dispatcher } from 'undici';
import type { Outcome } from '../domain/transaction.js';
import { LIMITS } from '../protocol/words.js';
import { outcomeOf } from './answer.js';
import { described } from './trouble.js';

/** Said by a service, or by a proxy before it, that cannot work now. Any other answer comes from one that can. */
const OVERLOADED: ReadonlySet<number> = new Set([429, 502, 503, 504]);

export interface Result {
  readonly outcome: Outcome;
  /** What the circuit breaker counts: one bad payload, answered with 500, says nothing about the others. Null: it was cut from this side. */
  readonly isAlive: boolean | null;
  /** False: not a byte of it was sent, so the service certainly knows nothing of it. */
  readonly hasLeft: boolean;
}

/**
 * What undici tells about a request, without the stream, the promises and the signal that its `request` makes for
 * each: they were most of a third of the coordinator's work (docs/benchmarks.md).
 */
export class Exchange implements Dispatcher.DispatchHandler {
  private controller: Dispatcher.DispatchController | null = null;
  private isOver = false;
  private status = 0;
  private retryAfter: string | null = null;
  private body: Buffer | null = null;

  /** @param over called once, with what came of it */
  constructor(
    private readonly now: () => number,
    private readonly over: (result: Result) => void,
  ) {}

  /** Ends it from this side as unknown: what has not left yet does not leave, and the connection is closed. */
  cut(detail: string, isAlive: boolean | null): void {
    this.end({ kind: 'unknown', detail }, isAlive);
    this.controller?.abort(new Error(detail));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.isOver) controller.abort(new Error('it was cut before it began'));
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Record<string, unknown>): void {
    this.status = status;
    const retryAfter = headers['retry-after'];
    this.retryAfter = typeof retryAfter === 'string' ? retryAfter : null;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.body = this.body ? Buffer.concat([this.body, chunk]) : chunk;
    if (this.body.length > LIMITS.replyBytes) this.cut(`answered more than ${LIMITS.replyBytes} bytes`, this.isAlive);
  }

  onResponseEnd(): void {
    const { status, retryAfter, body, isAlive } = this;
    this.end(outcomeOf(status, retryAfter, body ?? Buffer.alloc(0), this.now()), isAlive);
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.cut(described(error), false);
  }

  private get isAlive(): boolean {
    return !OVERLOADED.has(this.status);
  }

  private end(outcome: Outcome, isAlive: boolean | null): void {
    if (this.isOver) return;
    this.isOver = true;
    // undici hands over the controller just before it writes.
    this.over({ outcome, isAlive, hasLeft: this.controller !== null });
  }
}
