/** The locks that this node takes for its own work, by name: there are few. */
import { Counter, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';

export class LockMetrics {
  private readonly waits: Histogram<'lock' | 'outcome'>;
  private readonly holds: Histogram<'lock'>;
  private readonly losses: Counter<'lock'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.waits = new Histogram({
      name: 'tercet_lock_wait_seconds',
      help: 'From asking for a lock until it was got, was not free in time (held), or its store did not answer.',
      labelNames: ['lock', 'outcome'],
      buckets: [0.001, 0.01, 0.1, 1, 10, 60],
      registers,
    });
    this.holds = new Histogram({
      name: 'tercet_lock_hold_seconds',
      help: 'From getting a lock until it was given back or lost.',
      labelNames: ['lock'],
      buckets: [0.01, 0.1, 1, 10, 60, 600],
      registers,
    });
    this.losses = new Counter({
      name: 'tercet_locks_lost_total',
      help: 'Locks that this node lost while it held them: its work was broken off.',
      labelNames: ['lock'],
      registers,
    });
  }

  waited(lock: string, ms: number, outcome: string): void {
    this.waits.observe({ lock, outcome }, ms / 1000);
  }

  ended(lock: string, heldMs: number, isLost: boolean): void {
    this.holds.observe({ lock }, heldMs / 1000);
    if (isLost) this.losses.inc({ lock });
  }
}
