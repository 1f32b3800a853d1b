/** One request and its answer. */
import type { Dispatcher } from 'undici';
import type { Outcome } from '../domain/transaction.js';
import type { Clock } from '../engine/ports.js';
import { LIMITS } from '../protocol/words.js';
import { outcomeOf } from './answer.js';
import { described } from './trouble.js';

/** Said by a service, or by a proxy before it, that cannot work now. Any other answer comes from one that can. */
const OVERLOADED: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** How soon a call is asked for again that did not leave because the lease was in doubt. */
export const NOT_LEFT_MS = 100;

export interface Result {
  readonly outcome: Outcome;
  /** What the circuit breaker counts: one bad payload, answered with 500, says nothing about the others. Null: it was cut from this side. */
  readonly isAlive: boolean | null;
  /** False: not a byte of it was sent, so the service certainly knows nothing of it. */
  readonly hasLeft: boolean;
}

/**
 * What undici tells about a request, without the stream, the promises and the signal that its `request` makes for
 * each: they were most of a third of the coordinator's work (docs/benchmarks.md). These are the callbacks that it calls
 * itself; the newer ones are made of them, with an object of all headers for each answer.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  private abort: ((error: Error) => void) | null = null;
  private isOver = false;
  private status = 0;
  private retryAfter: string | null = null;
  private body: Buffer | null = null;

  /**
   * @param leaveBy by the clock's `monotonic`: what has not left by then does not leave, and is postponed
   * @param over called once, with what came of it
   */
  constructor(
    private readonly clock: Clock,
    private readonly leaveBy: number,
    private readonly over: (result: Result) => void,
  ) {}

  /** Ends it from this side as unknown: what has not left yet does not leave, and the connection is closed. */
  cut(detail: string, isAlive: boolean | null): void {
    this.end({ kind: 'unknown', detail }, isAlive);
    this.abort?.(new Error(detail));
  }

  /** Just before it is written. */
  onConnect(abort: (error?: Error) => void): void {
    if (!this.isOver && this.clock.monotonic() >= this.leaveBy) {
      this.end({ kind: 'postponed', retryAfterMs: NOT_LEFT_MS }, null);
    }
    this.abort = abort;
    if (this.isOver) abort(new Error('it was cut before it began'));
  }

  onHeaders(status: number, headers: Buffer[]): boolean {
    this.status = status;
    // No other answer is asked for its headers.
    if (status === 425) this.retryAfter = retryAfterIn(headers);
    return true;
  }

  onData(chunk: Buffer): boolean {
    this.body = this.body ? Buffer.concat([this.body, chunk]) : chunk;
    if (this.body.length > LIMITS.replyBytes) this.cut(`answered more than ${LIMITS.replyBytes} bytes`, this.isAlive);
    return true;
  }

  onComplete(): void {
    const { status, retryAfter, body, isAlive } = this;
    this.end(outcomeOf(status, retryAfter, body ?? Buffer.alloc(0), this.clock.now()), isAlive);
  }

  onError(error: Error): void {
    this.cut(described(error), false);
  }

  private get isAlive(): boolean {
    return !OVERLOADED.has(this.status);
  }

  private end(outcome: Outcome, isAlive: boolean | null): void {
    if (this.isOver) return;
    this.isOver = true;
    this.over({ outcome, isAlive, hasLeft: this.abort !== null });
  }
}

/** @param headers as they came: names and values in turn */
function retryAfterIn(headers: readonly Buffer[]): string | null {
  const isName = (text: Buffer, index: number): boolean =>
    index % 2 === 0 && text.toString('latin1').toLowerCase() === 'retry-after';
  const index = headers.findIndex(isName);
  return index < 0 ? null : (headers[index + 1]?.toString('latin1') ?? null);
}
