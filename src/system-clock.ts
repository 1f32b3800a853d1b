/**
 * The database's clock, so that all nodes mean the same by a deadline: read off this machine's monotonic clock, which
 * nobody sets, so that a step of this machine's time ends nothing.
 */
import type { Clock } from './engine/ports.js';

/** Longer than this a timer of Node fires at once. */
const MAX_TIMER_MS = 2_147_483_647;

/** A step back is the wavering of a measurement up to this; beyond, somebody set the database's clock right. */
const MAX_WAVER_MS = 1000;

export class SystemClock implements Clock {
  private last = 0;

  /** @param offsetMs what to add to the monotonic clock to get the database's, as last measured; default: this machine's */
  constructor(private readonly offsetMs: () => number = () => Date.now() - performance.now()) {}

  /** The offset is measured with each renewal of the lease: what follows is not dated before what it follows from. */
  now(): number {
    const now = Math.round(this.monotonic() + this.offsetMs());
    if (now < this.last && this.last - now <= MAX_WAVER_MS) return this.last;
    this.last = now;
    return now;
  }

  monotonic(): number {
    return performance.now();
  }

  after(ms: number, run: () => void): () => void {
    let timer: NodeJS.Timeout;
    const wait = (leftMs: number): void => {
      timer = setTimeout(
        () => (leftMs > MAX_TIMER_MS ? wait(leftMs - MAX_TIMER_MS) : run()),
        Math.min(leftMs, MAX_TIMER_MS),
      );
    };
    wait(ms);
    return () => clearTimeout(timer);
  }
}
