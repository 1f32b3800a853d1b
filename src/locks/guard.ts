/** The guarded write: it changes rows only if nobody else has got the lock since. */
import { CodedError } from '../platform/coded-error.js';
import { rowsOf } from '../platform/executor.js';
import type { Executor } from '../platform/executor.js';
import type { FencingToken } from './lock.js';
import { LOCK_TABLE, lockTablesOf } from './schema.js';

/**
 * Lets this transaction write what the lock guards. Call it in the open transaction, before or after the writes, with
 * the lock as it was got. Until the transaction ends nobody else gets the lock; to renew it stays possible. Whoever has
 * got the lock before makes this throw, and then the transaction must not commit: where it is rolled back, the old
 * token has changed no row.
 *
 * The lock is one of the class `correctness`, in the database of the transaction. What is rolled back to a savepoint
 * takes the guard with it if that came after the savepoint: guard again. Under REPEATABLE READ and SERIALIZABLE get the
 * lock before the transaction begins, since a lock got later is not seen; a lock that somebody took meanwhile may then
 * also end in a serialization failure (40001), as any other row would.
 *
 * @param table where the lock is; default `tercet_lock`
 * @throws CodedError TERCET_LOCK_TOKEN_OLD: somebody else has got the lock since; Error: there is no open transaction
 */
export async function guard(
  executor: Executor,
  { name, token }: { readonly name: string; readonly token: FencingToken },
  table: string = LOCK_TABLE,
): Promise<void> {
  const { lock } = lockTablesOf(table);
  // KEY SHARE holds up who would change the token, and not who renews the lock.
  const rows = await rowsOf(executor, `SELECT FROM ${lock} WHERE name = $1 AND token = $2 FOR KEY SHARE`, [
    name,
    token,
  ]);
  if (rows.length === 0) {
    const next = 'roll back, and begin anew under a new lock';
    throw new CodedError('TERCET_LOCK_TOKEN_OLD', `token ${token} of the lock '${name}' counts no more; ${next}`);
  }
  // A transaction that has locked a row has an id; a statement by itself has ended, and its lock with it.
  const [state] = await rowsOf<{ id: string | null }>(
    executor,
    'SELECT pg_current_xact_id_if_assigned()::text AS id',
    [],
  );
  if (!state?.id) {
    throw new Error(`there is no open transaction to guard by the lock '${name}': give its EntityManager or client`);
  }
}
