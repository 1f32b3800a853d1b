/** A circuit breaker: a service that does not answer is left alone for a while, then asked once. */

import type { CallsView } from '../protocol/words.js';

/** Failures in a row that open it. */
const FAILURES = 5;
/** First and longest time that it stays open; each failed probe doubles it. */
const OPEN_MS = 500;
const OPEN_CAP_MS = 15_000;
/** While a probe is under way, which may take as long as a call may: its end is told by `leave`. */
const PROBING_MS = 1000;

/** Leave to make one call. */
export type Pass = 'call' | 'probe';

export class Breaker {
  private failures = 0;
  private openMs = OPEN_MS;
  private openUntil: number | null = null;
  private isProbing = false;

  /** @param now monotonic, ms */
  constructor(private readonly now: () => number) {}

  get state(): CallsView['breaker'] {
    if (this.openUntil === null) return 'closed';
    return this.isProbing ? 'probing' : 'open';
  }

  /** For how many ms it lets nobody pass; 0: a probe may; null: it is closed. */
  get waitMs(): number | null {
    if (this.openUntil === null) return null;
    return Math.max(this.isProbing ? PROBING_MS : 0, this.openUntil - this.now());
  }

  /** A pass, to be handed back to `leave`, or for how many ms not to call. */
  enter(): Pass | number {
    const { waitMs } = this;
    if (waitMs === null) return 'call';
    if (waitMs > 0) return waitMs;
    this.isProbing = true;
    return 'probe';
  }

  /**
   * @param isAlive whether the service answered; null: the call was not made, or was cut short from this side
   * @param limit failures in a row that open it
   */
  leave(pass: Pass, isAlive: boolean | null, limit = FAILURES): void {
    if (pass === 'probe') this.isProbing = false;
    if (isAlive === null) return;
    if (isAlive) {
      this.failures = 0;
      this.openUntil = null;
      this.openMs = OPEN_MS;
    } else if (pass === 'probe') this.open(Math.min(this.openMs * 2, OPEN_CAP_MS));
    else {
      this.failures += 1;
      // Calls that left before it opened end later, and say nothing new.
      if (this.failures >= limit && this.openUntil === null) this.open(this.openMs);
    }
  }

  private open(ms: number): void {
    this.openMs = ms;
    this.openUntil = this.now() + ms;
  }
}
