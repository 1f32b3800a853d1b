/** What `tercet doctor` wants to know of the database and of what stands in it. Facts only: others judge them. */
import type { Logger } from '../engine/ports.js';
import { LACKING_RIGHTS, lackingMigrations } from './data-source.js';
import { Database } from './database.js';
import type { DatabaseSettings } from './database.js';

export interface ServerFacts {
  readonly version: string;
  readonly isReplica: boolean;
  readonly user: string;
  /** Of a session as the coordinator's sessions are. */
  readonly synchronousCommit: string;
  readonly timeZone: string;
  readonly fsync: string;
  readonly fullPageWrites: string;
  readonly autovacuum: string;
  readonly trackCounts: string;
  readonly maxConnections: number;
  readonly reservedConnections: number;
  readonly connections: number;
}

export interface NodeFacts {
  readonly node: string;
  readonly isDead: boolean;
  /** Of its lease; negative: it ran out so long ago. */
  readonly leftMs: number;
  /** Unfinished transactions that it drives. */
  readonly owned: number;
}

export interface WorkFacts {
  readonly open: number;
  readonly committing: number;
  readonly aborting: number;
  readonly parked: number;
  /** Of those that are not parked and should have gone on: decided, or past their deadline. Null: there is none. */
  readonly oldest: { readonly gid: string; readonly status: string; readonly ageMs: number } | null;
}

export interface HistoryFacts {
  /** Until the end of the last partition that was made ahead. */
  readonly aheadMs: number;
  readonly partitions: number;
  /** Rows that no other partition takes: one was not made in time. */
  readonly isDefaultUsed: boolean;
}

export interface DatabaseFacts {
  readonly roundTripMs: number;
  /** What to add to this machine's clock to get the database's. */
  readonly clockOffsetMs: number;
  readonly server: ServerFacts;
  /** Names of migrations that were not run. */
  readonly lackingMigrations: readonly string[];
  /** The first right that is missing, or null. */
  readonly lackingRight: string | null;
  readonly nodes: readonly NodeFacts[];
  readonly work: WorkFacts;
  readonly history: HistoryFacts;
}

const SERVER = `
  SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS "isReplica", current_user::text AS user,
         current_setting('synchronous_commit') AS "synchronousCommit", current_setting('TimeZone') AS "timeZone",
         current_setting('fsync') AS fsync, current_setting('full_page_writes') AS "fullPageWrites",
         current_setting('autovacuum') AS autovacuum, current_setting('track_counts') AS "trackCounts",
         current_setting('max_connections')::int AS "maxConnections",
         current_setting('superuser_reserved_connections')::int
           + COALESCE(current_setting('reserved_connections', true)::int, 0) AS "reservedConnections",
         (SELECT sum(numbackends)::int FROM pg_stat_database) AS connections`;

const NODES = `
  SELECT node, dead AS "isDead", (extract(epoch FROM until - now()) * 1000)::float8 AS "leftMs",
         (SELECT count(*)::int FROM tercet.transaction t WHERE t.owner = m.id) AS owned
    FROM tercet.member m ORDER BY dead, node, id`;

const COUNTS = `
  SELECT count(*) FILTER (WHERE status = 'open')::int AS open,
         count(*) FILTER (WHERE status = 'committing')::int AS committing,
         count(*) FILTER (WHERE status = 'aborting')::int AS aborting,
         count(*) FILTER (WHERE parked IS NOT NULL)::int AS parked
    FROM tercet.transaction`;

const OLDEST = `
  SELECT gid, status, (extract(epoch FROM now() - COALESCE(decided_at, deadline_at)) * 1000)::float8 AS "ageMs"
    FROM tercet.transaction
   WHERE parked IS NULL AND COALESCE(decided_at, deadline_at) < now()
   ORDER BY COALESCE(decided_at, deadline_at) LIMIT 1`;

/** history_default has no bound. */
const HISTORY = `
  SELECT count(*)::int AS partitions, EXISTS (SELECT FROM tercet.history_default) AS "isDefaultUsed",
         COALESCE((extract(epoch FROM max(bound[1]::timestamptz) - now()) * 1000)::float8, 0) AS "aheadMs"
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid CROSS JOIN LATERAL
         regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''(.*)''\\)') AS bound
   WHERE i.inhparent = 'tercet.history'::regclass AND bound IS NOT NULL`;

export class PostgresDiagnosis {
  private readonly database: Database;

  constructor(settings: DatabaseSettings, logger: Logger) {
    this.database = new Database({ ...settings, connections: 1 }, logger);
  }

  /** Reads only. Rejects with LogUnavailable when the database does not answer, or refuses. */
  async look(): Promise<DatabaseFacts> {
    const timing = await this.timing();
    const server = await this.one<ServerFacts>(SERVER);
    const migrations = await this.database.read<{ name: string }>('SELECT name FROM tercet.migration');
    const [right] = await this.database.read<{ name: string; lacking: string }>(LACKING_RIGHTS);
    const [oldest = null] = await this.database.read<NonNullable<WorkFacts['oldest']>>(OLDEST);
    return {
      ...timing,
      server,
      lackingMigrations: lackingMigrations(migrations.map(({ name }) => name)),
      lackingRight: right ? `${right.lacking} on tercet.${right.name}` : null,
      nodes: await this.database.read<NodeFacts>(NODES),
      work: { ...(await this.one<Omit<WorkFacts, 'oldest'>>(COUNTS)), oldest },
      history: await this.one<HistoryFacts>(HISTORY),
    };
  }

  async close(): Promise<void> {
    await this.database.close();
  }

  private async timing(): Promise<Pick<DatabaseFacts, 'roundTripMs' | 'clockOffsetMs'>> {
    // The first statement may have to connect.
    await this.database.read('SELECT 1');
    const sentAt = Date.now();
    const from = performance.now();
    const { now } = await this.one<{ now: number }>(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now',
    );
    const roundTripMs = performance.now() - from;
    return { roundTripMs, clockOffsetMs: now - (sentAt + roundTripMs / 2) };
  }

  private async one<R extends object>(text: string): Promise<R> {
    const [row] = await this.database.read<R>(text);
    if (!row) throw new Error('a statement that always has a row had none');
    return row;
  }
}
