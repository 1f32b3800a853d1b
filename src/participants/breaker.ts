/** A circuit breaker: a service that does not answer is left alone for a while, then asked once. */

/** Failures in a row that open it. */
const FAILURES = 5;
/** First and longest time that it stays open; each failed probe doubles it. */
const OPEN_MS = 500;
const OPEN_CAP_MS = 15_000;
/** How soon to ask again while a probe is under way. */
const PROBE_MS = 250;

/** Leave to make one call. */
export type Pass = 'call' | 'probe';

export class Breaker {
  private failures = 0;
  private openMs = OPEN_MS;
  private openUntil: number | null = null;
  private isProbing = false;

  /** @param now monotonic, ms */
  constructor(private readonly now: () => number) {}

  /** A pass, to be handed back to `leave`, or for how many ms not to call. */
  enter(): Pass | number {
    if (this.openUntil === null) return 'call';
    const leftMs = this.openUntil - this.now();
    if (leftMs > 0) return Math.ceil(leftMs);
    if (this.isProbing) return PROBE_MS;
    this.isProbing = true;
    return 'probe';
  }

  /** @param isAlive whether the service answered; null: the call was not made, or was cut short from this side */
  leave(pass: Pass, isAlive: boolean | null): void {
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
      if (this.failures >= FAILURES && this.openUntil === null) this.open(this.openMs);
    }
  }

  private open(ms: number): void {
    this.openMs = ms;
    this.openUntil = this.now() + ms;
  }
}
