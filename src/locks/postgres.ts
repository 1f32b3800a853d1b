/**
 * Locks as rows of a table in PostgreSQL. The table is in the database that is guarded, so a token that was drawn there
 * is compared there: correctness rests on its transactions, and on no clock. The clock of the database says when a lock
 * ends by itself; where it is set, a lock ends early or late.
 *
 * A failover to a standby that had not got everything forgets what was committed last, and with it tokens: they could
 * be drawn again. What guards data needs the same standby as the data, a synchronous one.
 */
import type { LockDatabase } from './lock-database.js';
import type { Attempt, HeldLock, LockStore, Wish } from './lock.js';
import { LockTable } from './lock-table.js';
import { Listener } from './listener.js';

export class PostgresLocks implements LockStore<'correctness'> {
  readonly lockClass = 'correctness';
  private readonly table: LockTable;
  private readonly listener: Listener;

  constructor(database: LockDatabase) {
    this.table = new LockTable(database);
    this.listener = new Listener(this.table);
  }

  acquire(wish: Wish): Promise<Attempt<'correctness'>> {
    return this.table.take(wish);
  }

  renew(wish: Wish): Promise<boolean> {
    return this.table.renew(wish);
  }

  release(wish: Pick<Wish, 'name' | 'owner'>): Promise<boolean> {
    return this.table.release(wish);
  }

  watch(name: string, wake: () => void): () => void {
    return this.listener.watch(name, wake);
  }

  list({ prefix, limit }: { readonly prefix: string; readonly limit: number }): Promise<HeldLock[]> {
    return this.table.list(prefix, limit);
  }

  show(name: string): Promise<HeldLock | null> {
    return this.table.show(name);
  }

  seize(name: string): Promise<HeldLock | null> {
    return this.table.seize(name);
  }

  /** The pool stays open. */
  async close(): Promise<void> {
    await Promise.all([this.listener.close(), this.table.close()]);
  }
}
