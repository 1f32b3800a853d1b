/** Whatever runs SQL, in an open transaction or not: a TypeORM EntityManager or QueryRunner, a client or pool of pg. */
export interface Executor {
  query(text: string, values?: unknown[]): Promise<unknown>;
}

/** The rows of a statement; pg gives a result object, TypeORM the bare rows. */
export async function rowsOf<Row>(executor: Executor, text: string, values: unknown[]): Promise<Row[]> {
  const result = await executor.query(text, values);
  return (Array.isArray(result) ? result : (result as { rows: unknown[] }).rows) as Row[];
}

/** PostgreSQL's code of what went wrong, if it is PostgreSQL that says so. */
export function sqlState(error: unknown): string | undefined {
  const { code, driverError } = error as { code?: string; driverError?: { code?: string } };
  return driverError?.code ?? code;
}
