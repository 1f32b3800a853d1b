/** The table of locks: that of the coordinator is made by its migrations, that of a service by this. */
import type { Executor } from '../platform/executor.js';
import { install, plainName } from '../platform/install.js';

/** The table in a service's own database. */
export const LOCK_TABLE = 'tercet_lock';

/** Names as they stand in statements. */
export interface LockTables {
  readonly lock: string;
  /** The sequence that tokens are drawn from. */
  readonly token: string;
}

/** @throws RangeError unless the name is a plain one in lower case, with its schema or without */
export function lockTablesOf(table: string): LockTables {
  return { lock: plainName(table), token: `${table}_token` };
}

export const LOCK_SCHEMA = `
-- One after the other: a session that drew several tokens at once would hand out lower ones later.
CREATE SEQUENCE tercet_lock_token CACHE 1;

CREATE TABLE tercet_lock (
  name  text COLLATE "C" PRIMARY KEY,
  -- Unique, so that to change it is to change a key: whoever does so, by whatever statement, waits for those who
  -- guard a write by this row (FOR KEY SHARE), and they for him. To renew the lock is not, and holds up nobody.
  token bigint NOT NULL UNIQUE,
  owner text NOT NULL,
  node  text NOT NULL,
  since timestamptz(3) NOT NULL,
  -- -infinity: it was given back.
  until timestamptz(3) NOT NULL
) WITH (autovacuum_vacuum_cost_delay = 0, vacuum_truncate = false);
`;

const INSTALL_LOCK = 8372_005;

/**
 * Creates the table unless it is there, in the first schema of the search path; for services that do not use TypeORM's
 * migrations. Call it with one connection (not a pool), outside a transaction.
 */
export async function installLocks(executor: Executor): Promise<void> {
  await install(executor, { lock: INSTALL_LOCK, table: LOCK_TABLE, schema: LOCK_SCHEMA });
}

/** For the `migrations` of a TypeORM DataSource. */
export class TercetLocks1763769600001 {
  readonly name = 'TercetLocks1763769600001';

  async up(runner: Executor): Promise<void> {
    await runner.query(LOCK_SCHEMA);
  }

  async down(runner: Executor): Promise<void> {
    const { lock, token } = lockTablesOf(LOCK_TABLE);
    await runner.query(`DROP TABLE ${lock}; DROP SEQUENCE ${token}`);
  }
}
