/** A circuit breaker: a service that does not answer is left alone for a while, then asked once. */

/** Failures in a row that open it. */
const FAILURES = 5;
/** First and longest time that it stays open; each failed probe doubles it. */
const OPEN_MS = 500;
const OPEN_CAP_MS = 15_000;
/** How soon to ask again while a probe is under way. */
const PROBE_MS = 250;

export class Breaker {
  private failures = 0;
  private openMs = OPEN_MS;
  private openUntil: number | null = null;
  private isProbing = false;

  /** @param now monotonic, ms */
  constructor(private readonly now: () => number) {}

  /** Null: call; else how long not to. A call that was let through must be followed by `note` or `forgo`. */
  closedIn(): number | null {
    if (this.openUntil === null) return null;
    const leftMs = this.openUntil - this.now();
    if (leftMs > 0) return Math.ceil(leftMs);
    if (this.isProbing) return PROBE_MS;
    this.isProbing = true;
    return null;
  }

  /** The call that was let through was not made after all. */
  forgo(): void {
    this.isProbing = false;
  }

  note(isAnswered: boolean): void {
    if (isAnswered) {
      this.failures = 0;
      this.openUntil = null;
      this.openMs = OPEN_MS;
    } else if (this.isProbing) this.open(Math.min(this.openMs * 2, OPEN_CAP_MS));
    else {
      this.failures += 1;
      if (this.failures >= FAILURES && this.openUntil === null) this.open(this.openMs);
    }
    this.isProbing = false;
  }

  private open(ms: number): void {
    this.openMs = ms;
    this.openUntil = this.now() + ms;
  }
}
