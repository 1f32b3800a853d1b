/** At most so many calls of one component a second; the others wait in line, in their order. */
import type { CallRequest, Clock } from '../engine/ports.js';
import { Rate } from '../platform/rate.js';

/** So much of a second may leave at once: what is less than a timer can tell apart. */
const BURST_S = 0.01;

type Waiting = Pick<CallRequest, 'mayLeave'>;

export class Pace {
  private rate: Rate | null = null;
  private readonly line: { readonly call: Waiting; readonly leave: () => void }[] = [];
  private cancel: (() => void) | null = null;

  /** @param perSecond null: no limit */
  constructor(
    private perSecond: number | null,
    private readonly clock: Clock,
  ) {
    this.rate = this.rateOf(perSecond);
  }

  /**
   * Resolves when it is this caller's turn; undefined: it is now.
   *
   * @param call one that may not leave is of the past, and takes nobody's place
   */
  enter(call: Waiting): Promise<void> | undefined {
    if (this.rate === null) return undefined;
    if (this.line.length === 0 && (!call.mayLeave() || this.waitMs() === null)) return undefined;
    return new Promise((leave) => {
      this.line.push({ call, leave });
      if (this.cancel === null) this.admit();
    });
  }

  /** From now on so many. */
  adjust(perSecond: number | null): void {
    if (perSecond === this.perSecond) return;
    this.perSecond = perSecond;
    this.rate = this.rateOf(perSecond);
    this.cancel?.();
    this.admit();
  }

  private admit(): void {
    this.cancel = null;
    for (let next = this.line[0]; next !== undefined; next = this.line[0]) {
      const waitMs = next.call.mayLeave() ? this.waitMs() : null;
      if (waitMs !== null) {
        this.cancel = this.clock.after(waitMs, () => this.admit());
        return;
      }
      this.line.shift();
      next.leave();
    }
  }

  private waitMs(): number | null {
    return this.rate?.take(this.clock.monotonic()) ?? null;
  }

  private rateOf(perSecond: number | null): Rate | null {
    return perSecond === null ? null : new Rate(perSecond, Math.max(1, perSecond * BURST_S), this.clock.monotonic());
  }
}
