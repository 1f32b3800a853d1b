/** A service's own database with the tables of ids. */
import pg from 'pg';
import { installIds } from '../../src/ids/schema.js';
import { createDatabase } from '../support/postgres.js';

export interface IdDatabase {
  readonly url: string;
  readonly pool: pg.Pool;
  drop: () => Promise<void>;
}

/** @param server its URL, if it is not that of the run: the tables go into the database that it names */
export async function idDatabase(server?: string): Promise<IdDatabase> {
  const { url, drop } = server === undefined ? await createDatabase() : { url: server, drop: async () => undefined };
  // A server that dies ends connections that nobody uses.
  const pool = new pg.Pool({ connectionString: url, connectionTimeoutMillis: 1000 }).on('error', () => undefined);
  const client = await pool.connect();
  await installIds(client);
  client.release();
  return {
    url,
    pool,
    drop: async () => {
      await pool.end();
      await drop();
    },
  };
}
