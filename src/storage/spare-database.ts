/** A database for a while: made on a server that has others, and gone afterwards. `tercet bench` measures in one. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { TercetError } from '../protocol/errors.js';

const CONNECT_MS = 5000;
const MAY_NOT = '42501';
const SCHEMA_EXISTS = '42P06';

/** What a benchmark must say of the server that it ran on. */
export interface ServerFacts {
  readonly version: string;
  readonly fsync: string;
  readonly synchronousCommit: string;
  readonly fullPageWrites: string;
}

const FACTS = `
  SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync,
         current_setting('synchronous_commit') AS "synchronousCommit",
         current_setting('full_page_writes') AS "fullPageWrites"`;

export class SpareDatabase {
  private constructor(
    readonly url: string,
    readonly name: string,
    /** In this database, where it knows what the coordinator recorded. */
    private readonly client: pg.Client,
    private readonly dropIt: () => Promise<void>,
  ) {}

  /**
   * A new database with a name of its own beside that of `url`.
   *
   * @throws TercetError TERCET_NOT_READY: no server answers there, or the user may not make one
   */
  static async beside(url: string): Promise<SpareDatabase> {
    const name = `tercet_bench_${randomBytes(6).toString('hex')}`;
    const own = new URL(url);
    own.pathname = `/${name}`;
    const drop = (): Promise<void> => once(url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await once(url, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'`).catch((error: unknown) => {
      throw stateOf(error) === MAY_NOT
        ? notReady('the user of DATABASE_URL may not make a database of its own to measure in', error)
        : error;
    });
    return SpareDatabase.open(own.href, name, drop);
  }

  /**
   * The schema `tercet` in the database of `url` itself, which must not have one.
   *
   * @throws TercetError TERCET_NOT_READY: it has one, no server answers there, or the user may not make one
   */
  static async within(url: string): Promise<SpareDatabase> {
    await once(url, 'CREATE SCHEMA tercet').catch((error: unknown) => {
      throw stateOf(error) === SCHEMA_EXISTS
        ? notReady('the database of DATABASE_URL has a schema `tercet` already, which is not touched', error)
        : error;
    });
    const name = decodeURIComponent(new URL(url).pathname.slice(1));
    return SpareDatabase.open(url, name, () => once(url, 'DROP SCHEMA IF EXISTS tercet CASCADE'));
  }

  private static async open(url: string, name: string, drop: () => Promise<void>): Promise<SpareDatabase> {
    try {
      return new SpareDatabase(url, name, await connect(url), drop);
    } catch (error) {
      await drop();
      throw error;
    }
  }

  /** Transactions that have not ended. */
  async unfinished(): Promise<number> {
    return this.count('SELECT count(*)::int AS count FROM tercet.transaction');
  }

  async committed(): Promise<number> {
    return this.count(`SELECT count(*)::int AS count FROM tercet.history WHERE status = 'committed'`);
  }

  async server(): Promise<ServerFacts> {
    const { rows } = await this.client.query<ServerFacts>(FACTS);
    return rows[0] ?? { version: '?', fsync: '?', synchronousCommit: '?', fullPageWrites: '?' };
  }

  /** The process that serves this connection, on the machine of the server. */
  async pid(): Promise<number> {
    const { rows } = await this.client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return rows[0]?.pid ?? 0;
  }

  /** With all that is in it, and whoever is still connected to it. */
  async drop(): Promise<void> {
    await this.client.end().catch(() => undefined);
    await this.dropIt();
  }

  private async count(statement: string): Promise<number> {
    const { rows } = await this.client.query<{ count: number }>(statement);
    return rows[0]?.count ?? 0;
  }
}

async function once(url: string, statement: string): Promise<void> {
  const client = await connect(url);
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
    application_name: 'tercet bench',
    keepAlive: true,
  });
  // What breaks is told by the statement that needs it.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    const { message } = error as Error;
    throw notReady(`no database can be reached with DATABASE_URL: ${message || String(error)}`, error);
  }
}

function stateOf(error: unknown): string {
  return error instanceof pg.DatabaseError ? (error.code ?? '') : '';
}

function notReady(detail: string, cause: unknown): TercetError {
  return new TercetError('TERCET_NOT_READY', detail, undefined, { cause });
}
