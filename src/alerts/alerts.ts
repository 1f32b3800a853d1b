/**
 * Tells a person through a webhook what Tercet cannot mend by itself: transactions that this node gave up, and those
 * it drives that are unfinished for too long. Each node tells its own. docs/operations.md has the form.
 */
import type { Transaction } from '../domain/transaction.js';
import type { Clock, Observer, UnderWay } from '../engine/ports.js';
import type { Webhook } from './webhook.js';

/** What is parked within this time goes out together. */
const TOGETHER_MS = 1000;
/** More than these are counted, and not listed. */
const MAX_LISTED = 100;
const LOOK_MS = { least: 100, most: 10_000, share: 0.1 };
/** What lasts is told again. */
const AGAIN_MS = 3_600_000;

export interface AlertParts {
  readonly node: string;
  readonly clock: Clock;
  /** Unfinished for longer than this, since its begin, is too long. */
  readonly ageMs: () => number;
  readonly underWay: () => readonly UnderWay[];
}

export class Alerts implements Observer {
  private parkedNow: Transaction[] = [];
  private parkedCount = 0;
  private toldAt: number | null = null;
  private cancelLook: () => void = () => undefined;
  private cancelPost: (() => void) | null = null;

  constructor(
    private readonly webhook: Pick<Webhook, 'post' | 'stop'>,
    private readonly parts: AlertParts,
  ) {}

  /** From now on it looks at the age of what is under way. */
  start(): void {
    const { ageMs, clock } = this.parts;
    const everyMs = Math.min(LOOK_MS.most, Math.max(LOOK_MS.least, ageMs() * LOOK_MS.share));
    this.cancelLook = clock.after(everyMs, () => {
      this.look();
      this.start();
    });
  }

  /** What waits goes out now, if it can. */
  async stop(): Promise<void> {
    this.cancelLook();
    this.cancelPost?.();
    this.postParked();
    await this.webhook.stop();
  }

  parked(tx: Transaction): void {
    this.parkedCount += 1;
    if (this.parkedNow.length < MAX_LISTED) this.parkedNow.push(tx);
    this.cancelPost ??= this.parts.clock.after(TOGETHER_MS, () => this.postParked());
  }

  private postParked(): void {
    this.cancelPost = null;
    if (this.parkedCount === 0) return;
    const transactions = this.parkedNow.map(({ gid, parked }) => ({
      gid,
      at: parked && iso(parked.at),
      branchId: parked?.branchId ?? null,
      op: parked?.op ?? null,
      why: parked?.why ?? '',
    }));
    this.post('parked', { count: this.parkedCount, transactions });
    this.parkedNow = [];
    this.parkedCount = 0;
  }

  private look(): void {
    const late = this.late();
    const now = this.parts.clock.monotonic();
    if (late.length === 0) {
      if (this.toldAt !== null) this.postAge('resolved', late);
      this.toldAt = null;
    } else if (this.toldAt === null || now - this.toldAt >= AGAIN_MS) {
      this.toldAt = now;
      this.postAge('firing', late);
    }
  }

  /**
   * The oldest first. What is open with time left until its deadline is not late, however long ago it was begun; nor is
   * what was decided and goes out later.
   */
  private late(): Transaction[] {
    const now = this.parts.clock.now();
    const ageMs = this.parts.ageMs();
    const isLate = ({ status, beganAt, deadlineAt, message }: Transaction): boolean =>
      now - beganAt >= ageMs && now >= ((status === 'open' ? deadlineAt : message?.deliverAt) ?? now);
    const late = this.parts.underWay().map(({ saved }) => saved.tx);
    return late.filter(isLate).sort((a, b) => a.beganAt - b.beganAt);
  }

  private postAge(state: 'firing' | 'resolved', late: readonly Transaction[]): void {
    const transactions = late
      .slice(0, MAX_LISTED)
      .map(({ gid, status, beganAt }) => ({ gid, status, beganAt: iso(beganAt) }));
    this.post('unfinished-age', { state, count: late.length, limitMs: this.parts.ageMs(), transactions });
  }

  private post(kind: string, fields: object): void {
    const { node, clock } = this.parts;
    this.webhook.post({ kind, node, at: iso(clock.now()), ...fields });
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
