/** A clock that can be set, beside the time that passes. */
import { ManualClock } from '../participants/manual-clock.js';

export class SteppedClock extends ManualClock {
  private stepMs = 0;

  override now(): number {
    return super.now() + this.stepMs;
  }

  /** Somebody sets the clock forward, or with a negative number back. */
  step(ms: number): void {
    this.stepMs += ms;
  }
}
