/** Waits for the end of a strict release: nodes get ready one after the other, and none of them may come at all. */
import type { ConfigStates } from '../config-center/states.js';
import type { Clock } from '../engine/ports.js';
import { linked } from '../platform/linked.js';

/** Below what clients wait for an answer. */
const WAIT_MS = 25_000;

export class RolloutWatch {
  private readonly closing = new AbortController();

  constructor(
    private readonly states: Pick<ConfigStates, 'look' | 'changed'>,
    private readonly clock: Clock,
  ) {}

  /** Resolves when it has ended, or when it is time to say how far it is. @param left resolves when nobody listens */
  async end(environment: string, release: number, left: Promise<void>): Promise<void> {
    const endsAt = this.clock.monotonic() + WAIT_MS;
    const ending = linked(this.closing.signal);
    void left.then(() => ending.abort());
    try {
      let state = await this.states.look(environment);
      while (state?.rollout?.release === release && !ending.signal.aborted) {
        const leftMs = endsAt - this.clock.monotonic();
        if (leftMs <= 0) return;
        state = await this.states.changed(environment, state.version, leftMs, ending.signal);
      }
    } finally {
      ending.end();
    }
  }

  /** Who waits is told how far it is. */
  close(): void {
    this.closing.abort();
  }
}
