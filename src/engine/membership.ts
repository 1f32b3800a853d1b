/**
 * This node's lease: the right to call participants at all (G6).
 *
 * The lease in the log is LEASE_SHARE of the configured time and renewed every RENEW_SHARE of it, so that a node
 * that dies is noticed, and its work taken over, within the configured time. The node itself trusts its lease only
 * up to a margin before the end, on its own monotonic clock, counted from before the renewal was sent.
 */
import { LogUnavailable } from './ports.js';
import type { Clock, Logger, Member, TransactionLog } from './ports.js';

const LEASE_SHARE = 0.75;
const RENEW_SHARE = 0.2;
/** Part of the lease that is never used: clocks of two machines do not run at quite the same speed. */
const MARGIN_SHARE = 0.1;

export interface MembershipParts {
  readonly log: TransactionLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly node: string;
  readonly leaseMs: number;
}

export class Membership {
  private member: Member | null = null;
  private until = -Infinity;
  private isBeating = false;
  /** What came of the last renewal: null, it was done. */
  private trouble: string | null = null;
  private stopTimer: (() => void) | null = null;
  private waiting: (() => void)[] = [];
  private readonly leaseMs: number;
  readonly renewEveryMs: number;

  /** @param onLost called when others own what this member owned: every drive of it must stop */
  constructor(
    private readonly parts: MembershipParts,
    private readonly onLost: () => void,
  ) {
    this.leaseMs = parts.leaseMs * LEASE_SHARE;
    this.renewEveryMs = parts.leaseMs * RENEW_SHARE;
  }

  /** Joins, and keeps the lease until `stop`. Rejects when the log cannot be reached now. */
  async start(): Promise<void> {
    await this.join();
    this.schedule();
  }

  /** No more renewals, and the lease is given back at once. */
  async stop(): Promise<void> {
    this.stopTimer?.();
    this.stopTimer = null;
    const member = this.member;
    this.forget();
    try {
      if (member) await this.parts.log.leave(member);
    } catch (error) {
      this.parts.logger.warn({ error: String(error) }, 'the lease was not given back; it runs out by itself');
    }
  }

  isValid(): boolean {
    return this.member !== null && this.parts.clock.monotonic() < this.until;
  }

  /** As it was last renewed, by the clock's `monotonic`. */
  get validUntil(): number {
    return this.until;
  }

  /** Why there is no valid lease, in words for anybody; null: there is one. */
  problem(): string | null {
    if (this.isValid()) return null;
    if (this.trouble === null) return 'lease: it ran out, and the database has not renewed it yet';
    // What follows in the message may name hosts; the log has it.
    const words = /^[\w ]+/.exec(this.trouble)?.[0] ?? 'the database fails';
    return `lease: it is not renewed, ${words}`;
  }

  /** The member to write as. @throws LogUnavailable while there is no valid lease */
  get current(): Member {
    if (!this.member || !this.isValid()) throw new LogUnavailable('this node has no valid lease');
    return this.member;
  }

  owns(owner: string): boolean {
    return this.member?.id === owner;
  }

  /** Resolves when the lease is valid again, under this member or a new one, or when the node stops. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** The log refused this member as dead: start over under a new one. */
  async lost(member: Member): Promise<void> {
    if (this.member?.id !== member.id) return;
    this.parts.logger.warn({ member: member.id }, 'declared dead by another node; joining again');
    this.forget();
    this.onLost();
    await this.beat();
  }

  private async beat(): Promise<void> {
    if (this.isBeating) return;
    this.isBeating = true;
    try {
      if (!this.member) return await this.join();
      const member = this.member;
      const sentAt = this.parts.clock.monotonic();
      if (await this.parts.log.renew(member, this.leaseMs)) this.prolong(sentAt);
      else {
        this.isBeating = false;
        await this.lost(member);
      }
    } catch (error) {
      this.trouble = error instanceof Error ? error.message : String(error);
      this.parts.logger.warn({ error: String(error) }, 'the lease was not renewed; trying again');
    } finally {
      this.isBeating = false;
    }
  }

  private async join(): Promise<void> {
    const sentAt = this.parts.clock.monotonic();
    this.member = await this.parts.log.join(this.parts.node, this.leaseMs);
    this.prolong(sentAt);
  }

  private prolong(sentAt: number): void {
    this.until = sentAt + this.leaseMs - this.parts.leaseMs * MARGIN_SHARE;
    this.trouble = null;
    this.tell();
  }

  private forget(): void {
    this.member = null;
    this.until = -Infinity;
    this.tell();
  }

  private tell(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private schedule(): void {
    this.stopTimer = this.parts.clock.after(this.renewEveryMs, () => {
      void this.beat().then(() => {
        if (this.stopTimer) this.schedule();
      });
    });
  }
}
