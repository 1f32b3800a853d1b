/** The schema: migrations under a lock, and whether this server and this user will do. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { TransactionLog0000000000001 } from '../../migrations/0001-transaction-log.js';
import { History0000000000002 } from '../../migrations/0002-history.js';
import { Instances0000000000003 } from '../../migrations/0003-instances.js';
import { Trace0000000000004 } from '../../migrations/0004-trace.js';
import { Saga0000000000005 } from '../../migrations/0005-saga.js';
import { Outbox0000000000006 } from '../../migrations/0006-outbox.js';
import { Locks0000000000007 } from '../../migrations/0007-locks.js';
import { Ids0000000000008 } from '../../migrations/0008-ids.js';
import { Configuration0000000000009 } from '../../migrations/0009-configuration.js';
import { Rows0000000000010 } from '../../migrations/0010-rows.js';
import { Aborted0000000000011 } from '../../migrations/0011-aborted.js';
import type { Logger } from '../engine/ports.js';
import { TercetError } from '../protocol/errors.js';

const MIGRATIONS = [
  TransactionLog0000000000001,
  History0000000000002,
  Instances0000000000003,
  Trace0000000000004,
  Saga0000000000005,
  Outbox0000000000006,
  Locks0000000000007,
  Ids0000000000008,
  Configuration0000000000009,
  Rows0000000000010,
  Aborted0000000000011,
];
const OLDEST_VERSION = 15;
const CONNECT_MS = 5000;
/** How long a node waits for another one that migrates, and for whoever uses a table that it must change. */
const LOCK_MS = 120_000;
/** At a time: everybody who uses such a table waits behind a migration that waits for it. */
const ATTEMPT_MS = 1000;
/** How long it waits for nodes of a version that may not run beside it: those that were killed seem to run for a lease. */
const LEASE_MS = 12_000;
const LOCKED = '55P03';
const DEADLOCK = '40P01';
const NODES_RUN = '55006';
const MIGRATION_LOCK = 8372_0001;

/** A row for each table or sequence that this user lacks a right on. */
export const LACKING_RIGHTS = `
  SELECT c.relname AS name, string_agg(r.name, ', ') AS lacking
    FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS r(name)
   WHERE c.relnamespace = 'tercet'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'migration'
     AND (c.relname NOT LIKE 'history\\_%' OR c.relname = 'history_default')
     AND NOT has_table_privilege(c.oid, r.name)
   GROUP BY c.relname
   UNION ALL
  SELECT relname, 'USAGE' FROM pg_class
   WHERE relnamespace = 'tercet'::regnamespace AND relname <> 'migration_id_seq'
     AND CASE relkind WHEN 'S' THEN NOT has_sequence_privilege(oid, 'USAGE') END
   ORDER BY name`;

/** Knows the migrations; for the TypeORM command line too. The service's own statements go through pg alone. */
export function createDataSource(url: string): DataSource {
  return new DataSource({
    type: 'postgres',
    url,
    schema: 'tercet',
    applicationName: 'tercet migrate',
    migrations: MIGRATIONS,
    migrationsTableName: 'migration',
    migrationsTransactionMode: 'each',
    installExtensions: false,
    poolSize: 2,
    // Its own lines would go to standard output; what fails is told by whoever runs them.
    logger: 'debug',
    extra: { options: `-c lock_timeout=${ATTEMPT_MS}` },
  });
}

/**
 * Makes the database fit for this version, or with `migrate: 'off'` looks whether it is.
 *
 * @throws TercetError TERCET_NOT_READY when the server cannot be reached or is older than PostgreSQL 15, when a
 *   right is missing, or when migrations are pending and may not run
 */
export async function prepareDatabase(url: string, migrate: 'auto' | 'off', logger: Logger): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
    application_name: 'tercet migrate',
    keepAlive: true,
  });
  client.on('error', (error) => logger.warn({ error: error.message }, 'the connection for migrations broke'));
  try {
    await client.connect();
    await demandVersion(client);
    if (migrate === 'auto') await migrateUnderLock(client, url, logger);
    else await demandNothingPending(client);
    await demandRights(client);
  } catch (error) {
    throw error instanceof TercetError ? error : trouble(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function demandVersion(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ number: number; text: string }>(
    `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS text`,
  );
  const [version] = rows;
  if (version && version.number >= OLDEST_VERSION * 10_000) return;
  throw notReady(
    `the database runs PostgreSQL ${version?.text ?? '?'}, and Tercet needs ${OLDEST_VERSION} or newer; ` +
      'upgrade the server or point DATABASE_URL to another one',
  );
}

/** One node migrates; the others wait for it and find nothing left to do. */
async function migrateUnderLock(client: pg.Client, url: string, logger: Logger): Promise<void> {
  await client.query(`SET lock_timeout = ${LOCK_MS}`);
  await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
  if ((await pending(client)).length === 0) return;
  // Asked first: CREATE SCHEMA IF NOT EXISTS wants the right to create even where there is nothing to create.
  const { rows } = await client.query(`SELECT FROM pg_namespace WHERE nspname = 'tercet'`);
  if (rows.length === 0) await client.query('CREATE SCHEMA tercet');
  const source = createDataSource(url);
  await source.initialize();
  try {
    await runMigrations(source, logger);
  } finally {
    await source.destroy();
  }
}

/** Each in a transaction of its own, and again as a whole while others hold what it needs. */
async function runMigrations(source: DataSource, logger: Logger): Promise<void> {
  const startedAt = performance.now();
  for (let attempts = 1; ; attempts += 1) {
    try {
      const done = await source.runMigrations();
      logger.info({ migrations: done.map(({ name }) => name) }, 'the database was migrated');
      return;
    } catch (error) {
      const { code = '', message } = error as { code?: string; message: string };
      if (![LOCKED, DEADLOCK, NODES_RUN].includes(code)) throw error;
      const isLocked = code !== NODES_RUN;
      if (performance.now() - startedAt > (isLocked ? LOCK_MS : LEASE_MS)) {
        throw isLocked ? locked(message, error) : nodesRun(message, error);
      }
      if (attempts === 1) logger.warn({ error: message }, 'the migration waits for whoever uses the tables');
      // Meanwhile those who waited behind it go on.
      await sleep(ATTEMPT_MS);
    }
  }
}

const locked = (message: string, cause: unknown): TercetError =>
  notReady(
    `the database could not be migrated for ${LOCK_MS / 1000} s, since somebody uses its tables: ${message}; ` +
      'look in pg_stat_activity for long transactions, of a backup for instance, and start again when they are over',
    cause,
  );

const nodesRun = (nodes: string, cause: unknown): TercetError =>
  notReady(
    `the database cannot be migrated while nodes of the version before run: ${nodes}; stop all of them, then start ` +
      'this version. One that was killed counts until its lease (TERCET_LEASE_MS) is over',
    cause,
  );

async function demandNothingPending(client: pg.Client): Promise<void> {
  const names = await pending(client);
  if (names.length === 0) return;
  throw notReady(
    `the database lacks ${names.length} migration(s), the first is ${names[0] ?? ''}, and TERCET_MIGRATE is off; ` +
      'run `tercet migrate` with a user who may change the schema',
  );
}

async function pending(client: pg.Client): Promise<string[]> {
  const { rows: found } = await client.query(`SELECT WHERE to_regclass('tercet.migration') IS NOT NULL`);
  if (found.length === 0) return lackingMigrations([]);
  const { rows } = await client.query<{ name: string }>('SELECT name FROM tercet.migration');
  return lackingMigrations(rows.map(({ name }) => name));
}

/** Names of the migrations of this version that are not among `done`. */
export function lackingMigrations(done: readonly string[]): string[] {
  return MIGRATIONS.map(({ name }) => name).filter((name) => !done.includes(name));
}

/**
 * Migrations may have been run by another user: then this one needs the use of every table. Partitions of history are
 * reached through it.
 */
async function demandRights(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string; lacking: string }>(LACKING_RIGHTS);
  const [first] = rows;
  if (!first) return;
  throw notReady(
    `the database user may not ${first.lacking} on tercet.${first.name}; ` +
      'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES and USAGE ON ALL SEQUENCES IN SCHEMA tercet to it',
  );
}

function trouble(error: unknown): TercetError {
  const { code, message } = error as { code?: string; message: string };
  switch (code) {
    case '42501':
      return notReady(
        `a right is missing in the database: ${message}. Grant the user CREATE on the database and USAGE on the schema ` +
          'tercet, or run `tercet migrate` as another user and set TERCET_MIGRATE=off',
        error,
      );
    case LOCKED:
      return notReady(`another node has been migrating for ${LOCK_MS / 1000} s; look what it waits for`, error);
    case '28P01':
    case '28000':
    case '3D000':
      return notReady(`the database refuses the user, the password or the name in DATABASE_URL: ${message}`, error);
    default:
      return notReady(`the database cannot be prepared: ${message || String(error)}; is DATABASE_URL right?`, error);
  }
}

function notReady(detail: string, cause?: unknown): TercetError {
  return new TercetError('TERCET_NOT_READY', detail, undefined, { cause });
}
