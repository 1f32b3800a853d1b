/**
 * How much of the log is unfinished, and for how long; and how far ahead what ends has a place. Not read where lists
 * are: two that are slow would look like a database that is down.
 */
import type { Status } from '../protocol/words.js';
import type { Database } from './database.js';

/** The unfinished transactions of one status, whichever node owns them. */
export interface Unfinished {
  readonly status: Status;
  readonly count: number;
  /** Of them. */
  readonly parked: number;
  /** Since the begin of the oldest that is not parked, and not to go out later; null: there is none. */
  readonly oldestMs: number | null;
  /** The same of those that are parked. */
  readonly oldestParkedMs: number | null;
}

/** Decided, and not to go out yet: a message with `deliverAt`. */
const LATER = `CASE WHEN mode = 'message' AND status = 'committing'
                     THEN (plan::json ->> 'deliverAt')::float8 > extract(epoch FROM now()) * 1000 ELSE false END`;

const UNFINISHED = `
  SELECT status, count(*)::int AS count, count(parked)::int AS parked,
         (extract(epoch FROM now() - min(began_at) FILTER (WHERE parked IS NULL AND (${LATER}) IS NOT TRUE)) * 1000)::float8
           AS "oldestMs",
         (extract(epoch FROM now() - min(began_at) FILTER (WHERE parked IS NOT NULL)) * 1000)::float8 AS "oldestParkedMs"
    FROM tercet.transaction GROUP BY status`;

/** Where the last partition of history ends. */
const AHEAD = `
  SELECT (extract(epoch FROM max(bound[1]::timestamptz) - now()) * 1000)::float8 AS "aheadMs"
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid CROSS JOIN LATERAL
         regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''(.*)''\\)') AS bound
   WHERE i.inhparent = 'tercet.history'::regclass`;

/** How far ahead history has partitions, in ms. @throws LogUnavailable */
export async function historyAhead(database: Database): Promise<number> {
  const rows = await database.read<{ aheadMs: number | null }>(AHEAD);
  return rows[0]?.aheadMs ?? 0;
}

/** One entry for each status that has any. @throws LogUnavailable */
export function countUnfinished(database: Database): Promise<Unfinished[]> {
  return database.read<Unfinished>(UNFINISHED);
}
