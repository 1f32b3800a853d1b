/** Where a table of locks is, and how it is reached. */
import type { Executor } from '../platform/executor.js';

/** A pool of pg, by its shape: who takes no lock needs none of its types. */
export interface LockPool {
  connect(): Promise<Executor & { release(broken?: boolean): void }>;
  readonly options: { readonly max?: number };
}

export interface LockDatabase {
  /**
   * Of the database that guarded writes go to. Each request takes a connection for a moment, and one more listens while
   * somebody waits. It needs a listener of its own for `error`, as every pool of pg does.
   */
  readonly pool: LockPool;
  /** With its schema or without; default `tercet_lock`. */
  readonly table?: string;
  /** How long the database may take to answer, ms; default 2000, and never more than half of a lock's lifetime. */
  readonly limitMs?: number;
}
