/** Time of this machine, moved to the database's clock, so that all nodes mean the same by a deadline. */
import type { Clock } from './engine/ports.js';

/** Longer than this a timer of Node fires at once. */
const MAX_TIMER_MS = 2_147_483_647;

/** A step back is the wavering of a measurement up to this; beyond, somebody set a clock right. */
const MAX_WAVER_MS = 1000;

export class SystemClock implements Clock {
  private last = 0;

  /** @param offsetMs what to add to this machine's time to get the database's, as last measured */
  constructor(private readonly offsetMs: () => number) {}

  /** The offset is measured with each renewal of the lease: what follows is not dated before what it follows from. */
  now(): number {
    const now = Math.round(Date.now() + this.offsetMs());
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
