/** What this node says of the release that it should have: at once when that changes, and again so that it lives. */
import { LogUnavailable } from '../engine/ports.js';
import type { Clock, Logger } from '../engine/ports.js';
import type { ConfigReport } from '../protocol/config.js';

/** A report lives so long, and is repeated twice as often. */
const TTL_LEASES = 2;
const TTL_MS = { from: 1000, to: 600_000 };
const AGAIN_MS = 500;

export type Said = ConfigReport['namespaces'];

export interface ReportsParts {
  readonly leaseMs: number;
  readonly labels: Readonly<Record<string, string>>;
  /** This node among the members. @throws LogUnavailable while it is none */
  readonly member: () => string;
  readonly send: (report: ConfigReport) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Reports {
  private said: Said | null = null;
  private readonly ttlMs: number;
  private sending: Promise<void> = Promise.resolve();
  private cancel: (() => void) | null = null;
  private isFailing = false;
  private isRunning = false;

  constructor(private readonly parts: ReportsParts) {
    this.ttlMs = Math.min(TTL_MS.to, Math.max(TTL_MS.from, parts.leaseMs * TTL_LEASES));
  }

  /** From now on it is told. */
  say(said: Said): void {
    this.said = said;
    if (this.isRunning) this.beat();
  }

  /** Once this node is a member. */
  start(): void {
    this.isRunning = true;
    this.beat();
  }

  async stop(): Promise<void> {
    this.isRunning = false;
    this.cancel?.();
    await this.sending;
  }

  private beat(): void {
    this.cancel?.();
    this.cancel = null;
    this.sending = this.sending.then(async () => {
      const isSent = await this.send();
      // What was said meanwhile is behind this in line, and schedules the next one.
      if (!this.isRunning) return;
      this.cancel?.();
      this.cancel = this.parts.clock.after(isSent ? this.ttlMs / TTL_LEASES : AGAIN_MS, () => this.beat());
    });
  }

  private async send(): Promise<boolean> {
    const { said, ttlMs } = this;
    const { labels, member, send, logger } = this.parts;
    if (said === null) return true;
    try {
      await send({ incarnation: member(), labels: { ...labels }, ttlMs, namespaces: said });
      this.isFailing = false;
      return true;
    } catch (error) {
      // Without a lease or a database: others say so too.
      if (!this.isFailing && this.isRunning && !(error instanceof LogUnavailable))
        logger.warn({ error: String(error) }, 'what this node goes by could not be reported; trying again');
      this.isFailing = true;
      return false;
    }
  }
}
