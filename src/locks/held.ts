/**
 * A lock while somebody has it: renewed before it ends, and given up in time when it is not.
 *
 * The deadline is on the monotonic clock of this process, counted from before the store was asked, less a margin: its
 * signal fires before the store lets anybody else in, also when the store says nothing at all. Only a process that
 * does not run misses that; what it then writes, the token keeps out (guard.ts).
 */
import { CodedError } from '../platform/coded-error.js';
import type { Clock } from '../platform/surroundings.js';
import type { LockClass, LockStore, TokenOf, Wish } from './lock.js';

/** A lifetime is renewed when this part of it is over, and more often once that failed. */
const RENEW_SHARE = 1 / 3;
const RETRY_SHARE = 1 / 10;
/** Part of the lifetime that is never used: clocks of two machines do not run at quite the same speed. */
const MARGIN_SHARE = 0.1;

export interface HeldParts<C extends LockClass> {
  readonly store: LockStore<C>;
  readonly clock: Clock;
  readonly wish: Wish;
  readonly token: TokenOf<C>;
  readonly validUntil: number;
  /** What the store takes from the lifetime, at each renewal too. */
  readonly lessMs: number;
  /** Called once, with ms since it was got. */
  readonly ended: (heldMs: number, isLost: boolean) => void;
}

/** By the monotonic clock: until when a lock is good that was asked for at `sentAt`. */
export function validUntil(sentAt: number, { ttlMs }: Wish, lessMs: number): number {
  return sentAt + ttlMs * (1 - MARGIN_SHARE) - lessMs;
}

export class Held<C extends LockClass = LockClass> {
  readonly name: string;
  /** For the guarded write; see {@link LockClass}. */
  readonly token: TokenOf<C>;
  /** Fires when the lock is lost, with TERCET_LOCK_LOST: stop, and take no further effect. */
  readonly signal: AbortSignal;
  private readonly loss = new AbortController();
  private readonly since: number;
  private until: number;
  private isDone = false;
  private stopDeadline: () => void;
  private stopRenewal: () => void;

  constructor(private readonly parts: HeldParts<C>) {
    this.name = parts.wish.name;
    this.token = parts.token;
    this.signal = this.loss.signal;
    this.since = parts.clock.monotonic();
    this.until = parts.validUntil;
    this.stopDeadline = this.armed();
    this.stopRenewal = this.renewalAfter(RENEW_SHARE);
  }

  /** Whether it is held now, also where the signal had no chance to fire yet: ask before what cannot be undone. */
  get isValid(): boolean {
    return !this.isDone && !this.signal.aborted && this.parts.clock.monotonic() < this.until;
  }

  /** Needs no `this`. @throws CodedError TERCET_LOCK_LOST unless it is held now */
  readonly check = (): void => {
    if (this.isDone) throw lost(this.name, 'it was given back');
    if (!this.isValid) this.lose('it was not renewed in time');
    this.signal.throwIfAborted();
  };

  /**
   * Gives the lock back. That the store does not answer now is no error, since the lock ends by itself.
   *
   * @throws CodedError TERCET_LOCK_LOST if it was lost before
   */
  async release(): Promise<void> {
    if (this.isDone) return this.signal.throwIfAborted();
    if (!this.isValid) this.lose('it was not renewed in time');
    this.isDone = true;
    this.stopDeadline();
    this.stopRenewal();
    // Also a lost one: it may still keep others waiting.
    const wasHeld = await this.parts.store.release(this.parts.wish).catch(() => true);
    if (!wasHeld) this.lose('somebody else has taken it');
    this.parts.ended(this.parts.clock.monotonic() - this.since, this.signal.aborted);
    this.signal.throwIfAborted();
  }

  private lose(why: string): void {
    if (this.signal.aborted) return;
    this.stopDeadline();
    this.stopRenewal();
    this.loss.abort(lost(this.name, why));
  }

  private armed(): () => void {
    const leftMs = Math.max(0, this.until - this.parts.clock.monotonic());
    return this.parts.clock.after(leftMs, () => this.lose('it was not renewed in time'));
  }

  private renewalAfter(share: number): () => void {
    return this.parts.clock.after(this.parts.wish.ttlMs * share, () => void this.renew());
  }

  private async renew(): Promise<void> {
    const { clock, store, wish, lessMs } = this.parts;
    const sentAt = clock.monotonic();
    let isHeld: boolean | null = null;
    try {
      isHeld = await store.renew(wish);
    } catch {
      // The store may answer the next time; if it does not, the deadline comes.
    }
    if (this.isDone || this.signal.aborted) return;
    if (isHeld === false) return this.lose('somebody else has taken it');
    if (isHeld) {
      this.until = validUntil(sentAt, wish, lessMs);
      this.stopDeadline();
      this.stopDeadline = this.armed();
    }
    this.stopRenewal = this.renewalAfter(isHeld ? RENEW_SHARE : RETRY_SHARE);
  }
}

function lost(name: string, why: string): CodedError {
  const next = 'what was done since may have been done by two; begin anew under a new lock';
  return new CodedError('TERCET_LOCK_LOST', `the lock '${name}' is not held any more: ${why}; ${next}`);
}
