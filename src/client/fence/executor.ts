/** SQL in the service's open transaction. */
export { rowsOf } from '../../outbox/executor.js';
export type { Executor } from '../../outbox/executor.js';

/** PostgreSQL's code of what went wrong, if it is PostgreSQL that says so. */
export function sqlState(error: unknown): string | undefined {
  const { code, driverError } = error as { code?: string; driverError?: { code?: string } };
  return driverError?.code ?? code;
}
