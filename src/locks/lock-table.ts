/** The table of locks in a database, and how it is asked: with limits of its own, over connections of somebody's pool. */
import type { Pool } from 'pg';
import { borrowed } from '../platform/borrowed.js';
import { CodedError } from '../platform/coded-error.js';
import { sqlState } from '../platform/executor.js';
import { within } from '../platform/within.js';
import type { LockDatabase } from './lock-database.js';
import type { Attempt, FencingToken, HeldLock, Wish } from './lock.js';
import { lockStatements, SWEEP } from './lock-statements.js';
import type { LockStatements } from './lock-statements.js';
import { LOCK_TABLE, lockTablesOf } from './schema.js';

/** Nobody holds it, or not for long, but it cannot be had at this moment: look again after so many ms. */
const SOON_MS = 50;
const SWEEP_EVERY_MS = 60_000;
/** PostgreSQL's longest name. */
const MAX_CHANNEL = 63;
/** Waited for too long, or met in the wrong order: nothing was changed. SQLSTATE. */
const COLLIDED = ['55P03', '40001', '40P01'];
/** The table, the schema or the right is missing: SQLSTATE. */
const MISPLACED = ['42P01', '42501', '3F000'];

export class LockTable {
  readonly pool: Pool;
  readonly limitMs: number;
  /** Where the names are told of locks that became free. */
  readonly channel: string;
  private readonly statements: LockStatements;
  private readonly table: string;
  private sweptAt = -Infinity;
  private isClosed = false;
  private readonly undoing = new Set<Promise<unknown>>();

  constructor({ pool, table = LOCK_TABLE, limitMs = 2000 }: LockDatabase) {
    // Known by its shape outside; here it is used as what it is.
    this.pool = pool as Pool;
    this.table = table;
    this.limitMs = limitMs;
    this.channel = table.slice(0, MAX_CHANNEL);
    this.statements = lockStatements(lockTablesOf(table), this.channel);
  }

  /**
   * Takes the lock and draws its token, unless somebody holds it or guards a write by it.
   *
   * @param from `whoever has it`: also from a holder, but not from one who guards a write
   */
  async take(wish: Wish, from: 'nobody' | 'whoever has it' = 'nobody'): Promise<Attempt<'correctness'>> {
    try {
      const found = await this.attempt(wish, from);
      if (found) return found;
      await this.change(this.statements.make, [wish.name], wish.ttlMs);
      void this.sweep();
      return (await this.attempt(wish, from)) ?? { heldForMs: SOON_MS };
    } catch (error) {
      const cause: unknown = (error as Error).cause ?? error;
      if (COLLIDED.includes(sqlState(cause) ?? '')) return { heldForMs: SOON_MS };
      // What the database did not refuse it may have done all the same.
      if (!isRefusal(cause)) this.undo(wish);
      throw error;
    }
  }

  async renew({ name, owner, ttlMs }: Wish): Promise<boolean> {
    return (await this.change(this.statements.renew, [name, owner, ttlMs], ttlMs)).length > 0;
  }

  async release({ name, owner }: Pick<Wish, 'name' | 'owner'>): Promise<boolean> {
    const [row] = await this.change<{ held: boolean }>(this.statements.release, [name, owner]);
    return row?.held ?? false;
  }

  async seize(name: string): Promise<HeldLock | null> {
    return (await this.change<HeldLock>(this.statements.seize, [name]))[0] ?? null;
  }

  list(prefix: string, limit: number): Promise<HeldLock[]> {
    return this.ask<HeldLock>(this.statements.list, [prefix, limit]);
  }

  async show(name: string): Promise<HeldLock | null> {
    return (await this.ask<HeldLock>(this.statements.show, [name]))[0] ?? null;
  }

  /** The last token of each of these locks, and who drew it. */
  tokens(names: readonly string[]): Promise<Pick<HeldLock, 'name' | 'owner' | 'token'>[]> {
    return this.ask(this.statements.tokens, [names]);
  }

  /** Ends what goes on by itself; the pool stays open. */
  async close(): Promise<void> {
    this.isClosed = true;
    await Promise.all(this.undoing);
  }

  private async attempt(wish: Wish, from: string): Promise<Attempt<'correctness'> | null> {
    const { name, owner, node, ttlMs } = wish;
    const values = [name, owner, node, ttlMs, from !== 'nobody'];
    const rows = await this.change<{ token: FencingToken | null; leftMs: number | null }>(
      this.statements.take,
      values,
      ttlMs,
    );
    const [row] = rows;
    if (!row) return null;
    if (row.token !== null) return { token: row.token };
    return { heldForMs: (from === 'nobody' ? row.leftMs : null) ?? SOON_MS };
  }

  private undo(wish: Wish): void {
    const undoing = this.release(wish)
      // It ends by itself.
      .catch(() => false)
      .finally(() => this.undoing.delete(undoing));
    this.undoing.add(undoing);
  }

  /** Names come and go: what nobody has used for long leaves the table. A token is never drawn again for that. */
  private async sweep(): Promise<void> {
    const now = performance.now();
    if (now - this.sweptAt < SWEEP_EVERY_MS) return;
    this.sweptAt = now;
    const swept = await this.change(this.statements.sweep, []).catch(() => []);
    if (swept.length === SWEEP) this.sweptAt = -Infinity;
  }

  private change<Row extends object>(statement: string, values: unknown[], ttlMs?: number): Promise<Row[]> {
    const limitMs = this.limitOf(ttlMs);
    return this.ask(statement, [String(Math.floor(limitMs / 2)), ...values], limitMs);
  }

  private limitOf(ttlMs = Infinity): number {
    return Math.min(this.limitMs, Math.floor(ttlMs / 2));
  }

  private async ask<Row extends object>(text: string, values: unknown[], limitMs = this.limitMs): Promise<Row[]> {
    if (this.isClosed) throw new CodedError('TERCET_LOCK_UNAVAILABLE', 'the locks were closed; make them anew');
    try {
      return await asked<Row>(this.pool, text, values, limitMs);
    } catch (error) {
      const isMisplaced = MISPLACED.includes(sqlState(error) ?? '');
      const next = isMisplaced
        ? 'run the migration of the locks or installLocks, and give this user the use of the table and its sequence'
        : 'try again when the database answers';
      const detail = `the locks in ${this.table} cannot be used (${(error as Error).message}): ${next}`;
      throw new CodedError('TERCET_LOCK_UNAVAILABLE', detail, { cause: error });
    }
  }
}

/** The server said so, rather than that nobody knows. */
function isRefusal(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'severity' in error && !/^(08|57P)/.test(sqlState(error) ?? '');
}

async function asked<Row extends object>(pool: Pool, text: string, values: unknown[], limitMs: number): Promise<Row[]> {
  const client = await borrowed(pool.connect(), limitMs);
  // A connection that breaks says so here too, not as an uncaught exception.
  const ignore = (): void => undefined;
  client.on('error', ignore);
  let isFit = false;
  try {
    const late = (): Error => new Error(`no answer within ${limitMs} ms`);
    const { rows } = await within(limitMs, client.query<Row>(text, values), late);
    isFit = true;
    return rows;
  } finally {
    client.off('error', ignore);
    client.release(!isFit);
  }
}
