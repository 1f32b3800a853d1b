/**
 * What a lock is, and what a store of locks does.
 *
 * A lock is a lease: it ends by itself, and who holds it may learn that late, or never (a frozen process, a network
 * that says nothing). So there are two classes. `efficiency`: two may hold it at once in rare moments; take it where
 * that costs work twice, and no more. `correctness`: the same, and its token, which no other holder ever gets, is
 * demanded by the guarded write (guard.ts), which changes no row once somebody else has got the lock.
 */

export type LockClass = 'efficiency' | 'correctness';

declare const fencing: unique symbol;

/** Rises with each holder. Of the class `correctness`: drawn in the database that is guarded. */
export type FencingToken = number & { readonly [fencing]: true };
/** Of the class `efficiency` it rises only as long as the store keeps its data. */
export type TokenOf<C extends LockClass> = C extends 'correctness' ? FencingToken : number;

/** One attempt to get a lock, once. */
export interface Wish {
  readonly name: string;
  /** Of this attempt, never used again: what is released or renewed is released or renewed by it. */
  readonly owner: string;
  /** The node or process that wants it, for people who look. */
  readonly node: string;
  readonly ttlMs: number;
}

export type Attempt<C extends LockClass> =
  | {
      readonly token: TokenOf<C>;
      /** What the store itself took from the lifetime, for instance because clocks differ: ms. */
      readonly lessMs?: number;
    }
  /** Somebody has it, for so long at most if nobody renews it; null: the store does not say. */
  | { readonly heldForMs: number | null };

/** Who has a lock, as people see it. */
export interface HeldLock {
  readonly name: string;
  readonly node: string;
  readonly owner: string;
  readonly token: number;
  /** ms since the epoch, by the clock of the store. */
  readonly since: number;
  readonly until: number;
}

/**
 * Where locks are kept. Every method rejects with TERCET_LOCK_UNAVAILABLE when the store did not answer in time,
 * whether it did what it was asked or not; what it may have done is undone, or ends by itself.
 */
export interface LockStore<C extends LockClass = LockClass> {
  readonly lockClass: C;
  /** Takes the lock if it is free, and never waits for somebody else. */
  acquire(wish: Wish): Promise<Attempt<C>>;
  /** False: it is not held by this owner any more. */
  renew(wish: Wish): Promise<boolean>;
  /** Gives it back and wakes who waits. False: it was not held by this owner. Other owners' locks stay as they are. */
  release(wish: Pick<Wish, 'name' | 'owner'>): Promise<boolean>;
  /**
   * Calls `wake` when the lock may have become free, and once when it begins to listen, since the lock may have become
   * free before. What goes unheard (a broken connection) is made up for by whoever waits, who looks again by himself.
   * The function returned ends that.
   */
  watch(name: string, wake: () => void): () => void;
  list(filter: { readonly prefix: string; readonly limit: number }): Promise<HeldLock[]>;
  /** Null: nobody has it. */
  show(name: string): Promise<HeldLock | null>;
  /** Takes the lock from whoever has it and wakes who waits; null: nobody had it. */
  seize(name: string): Promise<HeldLock | null>;
  close(): Promise<void>;
}

/** 1 to 128 characters, as all names. */
export const LOCK_NAME = /^[A-Za-z0-9._:-]{1,128}$/;
