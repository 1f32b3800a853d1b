/**
 * Makes any store fit to guard writes: the store says who holds the lock, and who has got it draws a token in the
 * database that is guarded. Should the store let in two at once (a failover, data that went away, a clock), the second
 * one draws after the first, and the guarded writes of the first change no row from then on. So correctness rests on
 * the database alone.
 */
import { CodedError } from '../platform/coded-error.js';
import type { LockDatabase } from './lock-database.js';
import type { Attempt, HeldLock, LockStore, Wish } from './lock.js';
import { LockTable } from './lock-table.js';

export function fenced(store: LockStore<'efficiency'>, database: LockDatabase): LockStore<'correctness'> {
  return new FencedLocks(store, new LockTable(database));
}

class FencedLocks implements LockStore<'correctness'> {
  readonly lockClass = 'correctness';

  constructor(
    private readonly store: LockStore<'efficiency'>,
    private readonly table: LockTable,
  ) {}

  async acquire(wish: Wish): Promise<Attempt<'correctness'>> {
    const sentAt = performance.now();
    const got = await this.store.acquire(wish);
    if ('heldForMs' in got) return got;
    try {
      // Who comes late may have lost it: his token would end that of who has it now.
      if (performance.now() - sentAt > wish.ttlMs - (got.lessMs ?? 0)) throw late(wish);
      const drawn = await this.table.take(wish, 'whoever has it');
      if ('heldForMs' in drawn) await this.store.release(wish);
      return 'token' in drawn && got.lessMs !== undefined ? { ...drawn, lessMs: got.lessMs } : drawn;
    } catch (error) {
      await this.store.release(wish).catch(() => false);
      throw error;
    }
  }

  /** Also false when somebody has drawn a token since, whatever the store says. */
  async renew(wish: Wish): Promise<boolean> {
    const [isHeld, isDrawn] = await Promise.all([this.store.renew(wish), this.table.renew(wish)]);
    return isHeld && isDrawn;
  }

  async release(wish: Pick<Wish, 'name' | 'owner'>): Promise<boolean> {
    // The row is not asked for by anybody; it is marked for the sweep, and that may fail.
    const [wasHeld] = await Promise.all([this.store.release(wish), this.table.release(wish).catch(() => false)]);
    return wasHeld;
  }

  watch(name: string, wake: () => void): () => void {
    return this.store.watch(name, wake);
  }

  async list(filter: { readonly prefix: string; readonly limit: number }): Promise<HeldLock[]> {
    return this.withTokens(await this.store.list(filter));
  }

  async show(name: string): Promise<HeldLock | null> {
    const held = await this.store.show(name);
    return held && ((await this.withTokens([held]))[0] ?? null);
  }

  /** Ends the token first, so that nothing is written by it once the lock is free. */
  async seize(name: string): Promise<HeldLock | null> {
    const drawn = await this.table.seize(name);
    const held = await this.store.seize(name);
    return held && drawn?.owner === held.owner ? { ...held, token: drawn.token } : held;
  }

  async close(): Promise<void> {
    await Promise.all([this.store.close(), this.table.close()]);
  }

  /** Those that count, in place of the store's own; 0: none does. */
  private async withTokens(locks: HeldLock[]): Promise<HeldLock[]> {
    const drawn = await this.table.tokens(locks.map(({ name }) => name));
    const tokens = new Map(drawn.map(({ name, owner, token }) => [`${name} ${owner}`, token]));
    return locks.map((lock) => ({ ...lock, token: tokens.get(`${lock.name} ${lock.owner}`) ?? 0 }));
  }
}

function late({ name, ttlMs }: Wish): CodedError {
  const detail = `the store took longer to give '${name}' than the lock would live (${ttlMs} ms); try again later`;
  return new CodedError('TERCET_LOCK_UNAVAILABLE', detail);
}
