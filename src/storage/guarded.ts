/** What a lock of this service guards in its own database. */
import type pg from 'pg';
import { guard } from '../locks/guard.js';
import type { Held } from '../locks/held.js';
import { CodedError } from '../platform/coded-error.js';
import { TercetError } from '../protocol/errors.js';

/** The table of migrations/0007-locks.ts. */
export const LOCK_TABLE = 'tercet.lock';

/** Does the work in a transaction, which commits unless somebody else has got the lock since. */
export type Guarded = <T>(work: () => Promise<T>) => Promise<T>;

/** @throws CodedError TERCET_LOCK_LOST or TERCET_LOCK_TOKEN_OLD, and nothing was changed */
export function guardedBy(client: pg.Client, held: Held<'correctness'>): Guarded {
  return async (work) => {
    held.check();
    await client.query('BEGIN');
    try {
      await guard(client, held, LOCK_TABLE);
      const result = await work();
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  };
}

/** What the store of the locks says, or that it says nothing now. @throws TercetError TERCET_NOT_READY */
export async function answered<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    throw new TercetError('TERCET_NOT_READY', 'where the locks are kept, nobody answers; repeat the request soon');
  }
}
