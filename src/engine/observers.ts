/** Tells whoever watches what has become durable. What goes wrong in an observer stays there. */
import { isEnded } from '../domain/transaction.js';
import type { Transaction } from '../domain/transaction.js';
import type { AnsweredCall, Logger, Observer } from './ports.js';

export class Observers {
  constructor(
    private readonly all: readonly Observer[],
    private readonly logger: Logger,
  ) {}

  begun(tx: Transaction): void {
    this.tell((observer) => observer.begun?.(tx));
  }

  decided(tx: Transaction): void {
    this.tell((observer) => observer.decided?.(tx));
  }

  answered(call: AnsweredCall): void {
    this.tell((observer) => observer.answered?.(call));
  }

  /** What one write of a drive changed, once it is known to be durable. */
  saved(before: Transaction, after: Transaction): void {
    if (before.decision === null && after.decision !== null) this.decided(after);
    if (before.parked === null && after.parked !== null) {
      // Not why: that is what a service answered, and no log shows it.
      const { branchId, op } = after.parked;
      this.logger.warn({ gid: after.gid, mode: after.mode, branchId, op }, 'parked: it waits for a person');
      this.tell((observer) => observer.parked?.(after));
    }
    if (!isEnded(before) && isEnded(after)) this.tell((observer) => observer.ended?.(after));
  }

  saveLost(tx: Transaction): void {
    this.tell((observer) => observer.saveLost?.(tx));
  }

  leaseLost(): void {
    this.tell((observer) => observer.leaseLost?.());
  }

  tookOver(transactions: readonly Transaction[]): void {
    this.tell((observer) => observer.tookOver?.(transactions));
  }

  private tell(say: (observer: Observer) => void): void {
    for (const observer of this.all) {
      try {
        say(observer);
      } catch (error) {
        this.logger.error({ error: String(error) }, 'defect in an observer; the engine goes on');
      }
    }
  }
}
