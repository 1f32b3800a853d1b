/** Time of this machine, moved to the database's clock, so that all nodes mean the same by a deadline. */
import type { Clock } from './engine/ports.js';

/** Longer than this a timer of Node fires at once. */
const MAX_TIMER_MS = 2_147_483_647;

export class SystemClock implements Clock {
  /** @param offsetMs what to add to this machine's time to get the database's, as last measured */
  constructor(private readonly offsetMs: () => number) {}

  now(): number {
    return Math.round(Date.now() + this.offsetMs());
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
