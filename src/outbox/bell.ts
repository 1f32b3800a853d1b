/** Waiting that others may cut short. A ring that nobody waits for is heard by the next wait. */
import type { Clock } from '../platform/surroundings.js';

export class Bell {
  private isRung = false;
  private end: (() => void) | null = null;

  constructor(private readonly clock: Clock) {}

  ring(): void {
    if (this.end) this.end();
    else this.isRung = true;
  }

  /** By one at a time. */
  async wait(ms: number): Promise<void> {
    if (!this.isRung) {
      await new Promise<void>((resolve) => {
        const cancel = this.clock.after(ms, resolve);
        this.end = () => {
          cancel();
          resolve();
        };
      });
      this.end = null;
    }
    this.isRung = false;
  }
}
