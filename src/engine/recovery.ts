/**
 * Takes over what dead members left behind, and looks for what this node owns without knowing it: a begin, a
 * decision or a take-over whose answer was lost.
 */
import type { Driver } from './driver.js';
import type { Membership } from './membership.js';
import type { Observers } from './observers.js';
import { MemberDead } from './ports.js';
import type { Clock, Held, Logger, TransactionLog } from './ports.js';

const TAKE_OVER_BATCH = 200;
/** A statement whose answer was lost is over after this: the log's own time limits lie below the lease. */
const DOUBT_LEASES = 2;

export class Recovery {
  private inDoubtUntil = -Infinity;
  private comparedAt = -Infinity;
  private stopTimer: (() => void) | null = null;
  private isRunning = false;

  constructor(
    private readonly log: TransactionLog,
    private readonly driver: Driver,
    private readonly membership: Membership,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly leaseMs: number,
    private readonly observers: Observers,
  ) {}

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
    this.inDoubtUntil = this.clock.monotonic() + this.leaseMs * DOUBT_LEASES;
  }

  private tick(): void {
    void this.lookAround()
      .catch((error: unknown) => {
        this.logger.warn({ error: String(error) }, 'recovery could not read the log; trying again');
      })
      .then(() => {
        if (this.isRunning) this.stopTimer = this.clock.after(this.membership.renewEveryMs, () => this.tick());
      });
  }

  private async lookAround(): Promise<void> {
    if (!this.membership.isValid()) return;
    const now = this.clock.monotonic();
    const isInDoubt = now < this.inDoubtUntil;
    if (isInDoubt || (!this.driver.isEmpty && now - this.comparedAt >= this.leaseMs)) {
      this.comparedAt = now;
      await this.compare(isInDoubt);
    }
    while (this.isRunning) {
      const taken = await this.takeOver();
      for (const held of taken) this.driver.drive(held);
      if (taken.length > 0) {
        this.logger.info({ count: taken.length }, 'took over transactions of a dead member');
        this.observers.tookOver(taken.map(({ tx }) => tx));
      }
      if (taken.length < TAKE_OVER_BATCH) return;
    }
  }

  private async takeOver(): Promise<Held[]> {
    const member = this.membership.current;
    try {
      return await this.log.takeOver(member, TAKE_OVER_BATCH);
    } catch (error) {
      this.doubt();
      if (error instanceof MemberDead) void this.membership.lost(member);
      throw error;
    }
  }

  /** Ends the drives of what others were told to decide, and starts those of what this node owns without knowing it. */
  private async compare(isInDoubt: boolean): Promise<void> {
    // What is begun, or taken back, meanwhile is not in the answer.
    const known = this.driver.versions();
    const owned = await this.log.owned(this.membership.current);
    for (const [gid, version] of known) if (!owned.has(gid)) this.driver.drop(gid, version);
    if (!isInDoubt) return;
    for (const [gid, version] of owned) {
      if (version <= (this.driver.versionOf(gid) ?? 0)) continue;
      const held = await this.log.get(gid);
      if (held) this.driver.drive(held);
    }
  }
}
