/** Waits for the end of a strict release: nodes get ready one after the other, and none of them may come at all. */
import { pause } from '../engine/waiting.js';
import type { Clock } from '../engine/ports.js';
import type { ConfigCenter } from '../config-center/center.js';

/** Below what clients wait for an answer. */
const WAIT_MS = 25_000;
const LOOK_MS = 100;

export class RolloutWatch {
  private isClosed = false;

  constructor(
    private readonly center: ConfigCenter,
    private readonly clock: Clock,
  ) {}

  /** Resolves when it has ended, or when it is time to say how far it is. @param left resolves when nobody listens */
  async end(environment: string, release: number, left: Promise<void>): Promise<void> {
    const endsAt = this.clock.monotonic() + WAIT_MS;
    let hasLeft = false;
    void left.then(() => {
      hasLeft = true;
    });
    while (!hasLeft && !this.isClosed && this.clock.monotonic() < endsAt) {
      const rollout = await this.center.rollout(environment);
      if (rollout.release !== release || rollout.state !== 'preparing') return;
      await pause(this.clock, LOOK_MS);
    }
  }

  /** Who waits is told how far it is. */
  close(): void {
    this.isClosed = true;
  }
}
