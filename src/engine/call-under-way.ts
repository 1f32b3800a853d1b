/**
 * A call of a drive, from when it is due until its answer is in. Thousands of them may wait in line, so it is an object and
 * not some closures over the same, which take several times the room.
 */
import type { Branch, Transaction } from '../domain/transaction.js';
import type { Op } from '../protocol/words.js';
import type { DriveParts } from './drive-parts.js';
import type { CallRequest, Component } from './ports.js';

/** What a call asks of the drive that it belongs to. */
interface Owner {
  isStillDue(branchId: string, op: Op): boolean;
  postpone(branchId: string, op: Op, retryAfterMs: number): void;
}

export class CallUnderWay implements CallRequest {
  /** Monotonic, ms. */
  readonly madeAt: number;
  private cut: (() => void) | null = null;

  constructor(
    readonly tx: Transaction,
    readonly branch: Branch,
    readonly op: Op,
    readonly attempt: number,
    readonly component: Component,
    private readonly parts: DriveParts,
    private readonly owner: Owner,
  ) {
    this.madeAt = parts.clock.monotonic();
  }

  mayLeave(): boolean {
    const { membership, steering } = this.parts;
    const isPaused = steering.pausedBecause(this.component.name) !== null;
    return this.owner.isStillDue(this.branch.branchId, this.op) && !isPaused && membership.isValid();
  }

  leaveBy(): number {
    return this.parts.membership.validUntil;
  }

  wake(): void {
    this.owner.postpone(this.branch.branchId, this.op, 0);
  }

  whenStopped(cut: () => void): void {
    this.cut = cut;
  }

  stop(): void {
    this.cut?.();
  }
}
