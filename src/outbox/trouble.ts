/** Something that does not work at present: why, since when, and how long to leave it alone. */
import type { Clock } from '../platform/surroundings.js';

export interface Trouble {
  readonly why: string;
  /** ms since the epoch. */
  readonly since: number;
}

export class Patience {
  /** Null: it works. */
  trouble: Trouble | null = null;
  private pauseMs = 0;
  private until = -Infinity;

  constructor(
    private readonly clock: Clock,
    private readonly bounds: { readonly first: number; readonly cap: number },
  ) {}

  /** How long to wait before the next attempt; 0: not at all. */
  get restMs(): number {
    return Math.max(0, this.until - this.clock.monotonic());
  }

  /** @returns the trouble, if it is new */
  failed(error: unknown): Trouble | null {
    const isNew = this.trouble === null;
    const why = error instanceof Error ? error.message || error.name : String(error);
    this.trouble = { why, since: this.trouble?.since ?? this.clock.now() };
    this.pauseMs = Math.min(this.bounds.cap, Math.max(this.bounds.first, this.pauseMs * 2));
    this.until = this.clock.monotonic() + this.pauseMs;
    return isNew ? this.trouble : null;
  }

  /** @returns whether it did not before */
  worked(): boolean {
    const isNew = this.trouble !== null;
    this.trouble = null;
    this.pauseMs = 0;
    this.until = -Infinity;
    return isNew;
  }
}
