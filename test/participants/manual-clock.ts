/** Time that moves when the test says so. */
import type { Clock } from '../../src/engine/ports.js';

export const NOON = Date.UTC(2026, 4, 6, 12, 0, 0);

export class ManualClock implements Clock {
  private passedMs = 0;
  private timers: { at: number; run: () => void }[] = [];

  now(): number {
    return NOON + this.passedMs;
  }

  monotonic(): number {
    return this.passedMs;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.passedMs + ms, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** Timers that nobody took back yet. */
  get pending(): number {
    return this.timers.length;
  }

  /** As for a process that was frozen: time went by, and nothing has run yet. */
  freeze(ms: number): void {
    this.passedMs += ms;
  }

  pass(ms: number): void {
    this.passedMs += ms;
    const due = this.timers.filter(({ at }) => at <= this.passedMs);
    this.timers = this.timers.filter(({ at }) => at > this.passedMs);
    for (const { run } of due) run();
  }
}
