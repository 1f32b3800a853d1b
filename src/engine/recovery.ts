/**
 * Takes over what dead members left behind, and looks for what this node owns without knowing it: a begin, a
 * decision or a take-over whose answer was lost.
 */
import type { Driver } from './driver.js';
import type { Membership } from './membership.js';
import type { Observers } from './observers.js';
import { MemberDead } from './ports.js';
import type { Clock, Held, Logger, Steering, TransactionLog } from './ports.js';

/** A statement whose answer was lost is over after this: the log's own time limits lie below the lease. */
const DOUBT_LEASES = 2;

export interface RecoveryParts {
  readonly log: TransactionLog;
  readonly driver: Driver;
  readonly membership: Membership;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly leaseMs: number;
  readonly observers: Observers;
  readonly steering: Steering;
}

export class Recovery {
  private inDoubtUntil = -Infinity;
  private comparedAt = -Infinity;
  private stopTimer: (() => void) | null = null;
  private isRunning = false;

  constructor(private readonly parts: RecoveryParts) {}

  start(): void {
    this.isRunning = true;
    this.tick();
  }

  stop(): void {
    this.isRunning = false;
    this.stopTimer?.();
  }

  /** The answer to a write was lost: this node may own a transaction that it does not drive. */
  doubt(): void {
    this.inDoubtUntil = this.parts.clock.monotonic() + this.parts.leaseMs * DOUBT_LEASES;
  }

  private tick(): void {
    void this.lookAround()
      .catch((error: unknown) => {
        this.parts.logger.warn({ error: String(error) }, 'recovery could not read the log; trying again');
      })
      .then(() => {
        if (this.isRunning)
          this.stopTimer = this.parts.clock.after(this.parts.membership.renewEveryMs, () => this.tick());
      });
  }

  private async lookAround(): Promise<void> {
    if (!this.parts.membership.isValid()) return;
    const now = this.parts.clock.monotonic();
    const isInDoubt = now < this.inDoubtUntil;
    if (isInDoubt || (!this.parts.driver.isEmpty && now - this.comparedAt >= this.parts.leaseMs)) {
      this.comparedAt = now;
      await this.compare(isInDoubt);
    }
    while (this.isRunning) {
      const limit = this.parts.steering.inForce.takeOverBatch;
      const taken = await this.takeOver(limit);
      for (const held of taken) this.parts.driver.drive(held);
      if (taken.length > 0) {
        this.parts.logger.info({ count: taken.length }, 'took over transactions of a dead member');
        this.parts.observers.tookOver(taken.map(({ tx }) => tx));
      }
      if (taken.length < limit) return;
    }
  }

  private async takeOver(limit: number): Promise<Held[]> {
    const member = this.parts.membership.current;
    try {
      return await this.parts.log.takeOver(member, limit);
    } catch (error) {
      this.doubt();
      if (error instanceof MemberDead) void this.parts.membership.lost(member);
      throw error;
    }
  }

  /** Ends the drives of what others were told to decide, and starts those of what this node owns without knowing it. */
  private async compare(isInDoubt: boolean): Promise<void> {
    // What is begun, or taken back, meanwhile is not in the answer.
    const known = this.parts.driver.versions();
    const owned = await this.parts.log.owned(this.parts.membership.current);
    for (const [gid, version] of known) if (!owned.has(gid)) this.parts.driver.drop(gid, version);
    if (!isInDoubt) return;
    for (const [gid, version] of owned) {
      if (version <= (this.parts.driver.versionOf(gid) ?? 0)) continue;
      const held = await this.parts.log.get(gid);
      if (held) this.parts.driver.drive(held);
    }
  }
}
