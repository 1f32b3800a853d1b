/** How a service that does not use TypeORM's migrations gets its tables. */
import type { Executor } from './executor.js';

const PLAIN = /^([a-z_][a-z0-9_]*\.)?[a-z_][a-z0-9_]*$/;

/** The name itself, which may stand in a statement. @throws RangeError unless it is plain, in lower case, with its schema or without */
export function plainName(name: string): string {
  if (!PLAIN.test(name)) throw new RangeError(`'${name}' cannot name a table`);
  return name;
}

/** Tables that belong together. */
export interface Installation {
  /** Of an advisory lock that nothing else takes: instances that start at the same time come one after another. */
  readonly lock: number;
  /** The table by which they are known to be there. */
  readonly table: string;
  /** What makes them all. */
  readonly schema: string;
}

/** Creates them unless they are there, in the first schema of the search path. @param executor one connection, outside a transaction */
export async function install(executor: Executor, { lock, table, schema }: Installation): Promise<void> {
  // One query of several statements is one transaction.
  await executor.query(`
    SELECT pg_advisory_xact_lock(${lock});
    DO $install$ BEGIN
      IF to_regclass(current_schema() || '.${table}') IS NULL THEN
        ${schema}
      END IF;
    END $install$;
  `);
}
