/** The branches whose call was postponed, since what they would call is left alone now: one look for all of them. */
import type { Outcome } from '../domain/transaction.js';
import type { CallRequest, Clock } from '../engine/ports.js';

/** So many are woken at a time, and the next so much later: thousands in one turn of the event loop would hold up everybody. */
const AT_ONCE = 64;
const NEXT_MS = 10;
/** How often it is looked besides: an instance may be new, and whoever was woken to probe may have called nobody. */
const LOOK_MS = 1000;
/** Each comes back by itself after this, spread over as long again: another node may have to go by what was saved of it. */
const AGAIN_MS = 30_000;
/** Multiples of it, modulo 1, lie evenly in [0, 1) however many they are. */
const GOLDEN = 0.618_033_988_75;

export class Waiters {
  /** By branch, those who came first in front. */
  private readonly line = new Map<string, CallRequest>();
  private joined = 0;
  private cancel: (() => void) | null = null;

  /** @param waitMs for how many ms nothing is called; 0: a probe may be; null: anything */
  constructor(
    private readonly waitMs: (request: CallRequest) => number | null,
    private readonly clock: Clock,
  ) {}

  /** From now on it waits, until it is woken or comes back. @param ms for which nothing is called */
  join(request: CallRequest, ms: number): Outcome {
    this.forget(request);
    this.line.set(keyOf(request), request);
    this.joined += 1;
    if (this.cancel === null) this.lookIn(ms);
    return { kind: 'postponed', retryAfterMs: Math.ceil(AGAIN_MS * (1 + ((this.joined * GOLDEN) % 1))) };
  }

  /** It waits no more. */
  forget(request: CallRequest): void {
    if (this.line.size > 0) this.line.delete(keyOf(request));
  }

  /** A probe has ended. Not at once: who has just joined must have heard that it waits before it is woken. */
  changed(): void {
    if (this.line.size > 0) this.lookIn(0);
  }

  /** Nobody is woken any more. */
  close(): void {
    this.cancel?.();
    this.cancel = null;
  }

  /** Wakes one to probe, or as many as may call. Who may not call for a reason of its own, or never again, sees to itself. */
  private look(): void {
    this.cancel = null;
    let woken = 0;
    for (const [key, request] of this.line) {
      const waitMs = request.mayLeave() ? this.waitMs(request) : null;
      if (waitMs !== null && waitMs > 0) return this.lookIn(waitMs);
      if (woken === AT_ONCE) return this.lookIn(NEXT_MS);
      woken += 1;
      this.line.delete(key);
      request.wake();
      if (waitMs === 0) return this.lookIn(LOOK_MS);
    }
  }

  private lookIn(ms: number): void {
    this.close();
    this.cancel = this.clock.after(Math.min(ms, LOOK_MS), () => this.look());
  }
}

function keyOf({ tx, branch }: CallRequest): string {
  return `${tx.gid} ${branch.branchId}`;
}
