import { within } from './within.js';

/** A connection that a pool was asked for; one that it hands out too late goes back. @throws Error when none came within `ms` */
export async function borrowed<Connection extends { release(): void }>(
  taking: Promise<Connection>,
  ms: number,
): Promise<Connection> {
  return within(ms, taking, () => {
    taking.then(
      (connection) => connection.release(),
      () => undefined,
    );
    return new Error(`no connection to the database within ${ms} ms`);
  });
}
