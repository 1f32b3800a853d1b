/** What happened to one transaction, and is not in the log yet: it is written with the next step, or by itself in time. */
import type { Op } from '../protocol/words.js';
import type { Clock, TimelineEvent } from './ports.js';
import { collapse } from './timeline.js';

/**
 * Calls that changed nothing are written down after this, and again each time that the time since the begin has
 * doubled: whoever looks sees what a transaction waits for, at the price of a dozen writes a day.
 */
const NOTE_MS = 10_000;

export class News {
  private events: TimelineEvent[] = [];
  /** The operations, `branchId/op`, that wait because their component is paused. */
  private readonly paused = new Set<string>();
  private isUrgent = false;
  private readonly startedAt: number;
  private savedAt: number;

  constructor(
    private readonly clock: Clock,
    private readonly node: string,
  ) {
    this.startedAt = clock.monotonic();
    this.savedAt = this.startedAt;
  }

  get isEmpty(): boolean {
    return this.events.length === 0;
  }

  /** Whether it is worth a write of its own. */
  get isDue(): boolean {
    const sinceMs = this.clock.monotonic() - this.savedAt;
    const isOld = sinceMs >= Math.max(NOTE_MS, this.savedAt - this.startedAt);
    return this.events.length > 0 && (this.isUrgent || isOld);
  }

  add(event: TimelineEvent): void {
    collapse(this.events, event);
  }

  /** The operation is not called, for its component is paused: said once, and at once, since a person did that. */
  pause(branchId: string, op: Op, why: string): void {
    if (this.paused.has(`${branchId}/${op}`)) return;
    this.paused.add(`${branchId}/${op}`);
    this.isUrgent = true;
    this.events.push({ at: this.clock.now(), node: this.node, kind: 'paused', branchId, op, detail: why });
  }

  /** It is called. */
  goOn(branchId: string, op: Op): void {
    this.paused.delete(`${branchId}/${op}`);
  }

  /** Takes all, to write them. */
  take(): TimelineEvent[] {
    return this.events.splice(0);
  }

  /** What was taken, and was not written. */
  putBack(events: readonly TimelineEvent[]): void {
    this.events.unshift(...events);
  }

  /** The first `count` were written after all. */
  drop(count: number): void {
    this.events.splice(0, count);
  }

  written(): void {
    this.savedAt = this.clock.monotonic();
    this.isUrgent = false;
  }
}
