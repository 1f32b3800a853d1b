/** Waits a while, or until somebody says that it is enough. */
import type { Clock } from '../platform/surroundings.js';

export class Wake {
  private hasRung = false;
  private stop: (() => void) | null = null;

  constructor(private readonly clock: Clock) {}

  /** Ends the wait, or the next one if nobody waits. Needs no `this`. */
  readonly ring = (): void => {
    this.hasRung = true;
    this.stop?.();
  };

  /** For one who waits at a time. */
  async wait(ms: number): Promise<void> {
    if (!this.hasRung && ms > 0) {
      await new Promise<void>((resolve) => {
        const cancel = this.clock.after(ms, resolve);
        this.stop = () => {
          cancel();
          resolve();
        };
      });
      this.stop = null;
    }
    this.hasRung = false;
  }
}
