/** Partitions of history: made ahead by the day, taken out by age, and dropped when their gids are free. */
import type pg from 'pg';
import type { Guarded } from './guarded.js';

export const DAY_MS = 86_400_000;
const DAYS_AHEAD = 7;
/** Where more days are kept, a partition holds several: whoever reads history locks, and plans for, each of them. */
const MAX_PARTITIONS = 32;
/** Rows of one statement. */
const BATCH = 5000;
/** How long everybody who uses history may be held up by a partition that is attached. */
const ATTACH_MS = 2000;
/** Longer than the pause between two runs. */
const FAR_MS = 2 * 3_600_000;

const PARTITIONS = `
  SELECT c.relname AS name, bound[1]::timestamptz AS from, bound[2]::timestamptz AS until
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid CROSS JOIN LATERAL
         regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\((?:MINVALUE|''(.*)'')\\) TO \\(''(.*)''\\)') AS bound
   WHERE i.inhparent = 'tercet.history'::regclass AND bound IS NOT NULL ORDER BY until`;

/** Taken out of history, and not dropped yet. */
const DETACHED = `
  SELECT relname AS name FROM pg_class
   WHERE relnamespace = 'tercet'::regnamespace AND relkind = 'r' AND NOT relispartition
     AND relname ~ '^history_(before|\\d{8})$' ORDER BY relname`;

/** A gid that was begun anew since its transaction left history has another began_at, and stays. */
const freeGids = (table: string): string => `
  WITH batch AS (SELECT gid, began_at FROM tercet.${table} WHERE gid > $1 ORDER BY gid LIMIT ${BATCH}), freed AS (
    DELETE FROM tercet.gid WHERE gid = ANY (ARRAY(SELECT gid FROM batch))
       AND ((gid, began_at) IN (SELECT gid, began_at FROM batch)) IS TRUE
  )
  SELECT max(gid) AS last, count(*)::int AS count FROM batch`;

const DROP_ROWS = `
  WITH batch AS (SELECT ctid FROM tercet.history_default WHERE ended_at < $1 LIMIT ${BATCH}), dropped AS (
    DELETE FROM tercet.history_default WHERE ctid = ANY (ARRAY(SELECT ctid FROM batch)) RETURNING gid
  ), freed AS (
    DELETE FROM tercet.gid WHERE gid = ANY (ARRAY(SELECT gid FROM dropped))
  )
  SELECT count(*)::int AS count FROM dropped`;

interface Partition {
  readonly name: string;
  /** Null: from the beginning of time. */
  readonly from: Date | null;
  readonly until: Date;
}

interface Freed {
  /** Null: there are no more. */
  readonly last: string | null;
  readonly count: number;
}

/**
 * Gives each day from `now` on that has none a partition; resolves to the names of the new ones. A day with rows in
 * history_default stays without: they would have to be moved while more of them come.
 *
 * @param now ms
 * @param days how many are kept
 */
export async function makeAhead(client: pg.Client, now: number, days: number): Promise<string[]> {
  await allowAll(client);
  const taken = (await partitions(client)).map(({ from, until }) => ({
    from: from?.getTime() ?? -Infinity,
    until: until.getTime(),
  }));
  const today = Math.floor(now / DAY_MS) * DAY_MS;
  const widthMs = Math.ceil(days / MAX_PARTITIONS) * DAY_MS;
  const made: string[] = [];
  for (let from = today; from <= today + DAYS_AHEAD * DAY_MS; from += DAY_MS) {
    if (taken.some((each) => each.from <= from && from < each.until)) continue;
    const until = Math.min(from + widthMs, ...taken.map((each) => each.from).filter((start) => start > from));
    if (await hasRows(client, from, until)) continue;
    if (from > now + FAR_MS) await exclude(client, from, until);
    made.push(await make(client, from, until));
    taken.push({ from, until });
  }
  return made;
}

/** What ended before `horizon`, ms, is gone from here on: nobody finds it, and its gids may be begun anew. */
export async function detach(client: pg.Client, horizon: number, guarded: Guarded): Promise<void> {
  for (const { name, until } of await partitions(client)) {
    if (until.getTime() > horizon) continue;
    await guarded(() => client.query(`ALTER TABLE tercet.history DETACH PARTITION tercet.${name}`));
  }
}

/** The partitions that were taken out, in this run or in one that was killed. */
export async function detached(client: pg.Client): Promise<string[]> {
  return (await client.query<{ name: string }>(DETACHED)).rows.map(({ name }) => name);
}

/** Frees the gids of a partition that was taken out, then drops it; resolves to how many transactions it had. */
export async function drop(client: pg.Client, name: string, guarded: Guarded): Promise<number> {
  let count = 0;
  for (let last: string | null = ''; last !== null;) {
    const after: string = last;
    const free = (): Promise<pg.QueryResult<Freed>> => client.query<Freed>(freeGids(name), [after]);
    const { rows }: pg.QueryResult<Freed> = await guarded(free);
    last = rows[0]?.last ?? null;
    count += rows[0]?.count ?? 0;
  }
  await guarded(() => client.query(`DROP TABLE tercet.${name}`));
  return count;
}

/** Drops what no partition took, row by row, each together with its gid; resolves to how many. */
export async function dropRows(client: pg.Client, horizon: number, guarded: Guarded): Promise<number> {
  let count = 0;
  for (let found = BATCH; found === BATCH; count += found) {
    const { rows } = await guarded(() => client.query<{ count: number }>(DROP_ROWS, [new Date(horizon)]));
    found = rows[0]?.count ?? 0;
  }
  return count;
}

/** Which locks people took from their holders is kept as long as history. */
export async function dropReleases(client: pg.Client, horizon: number, guarded: Guarded): Promise<void> {
  const old = 'DELETE FROM tercet.lock_release WHERE released_at < $1';
  await guarded(() => client.query(old, [new Date(horizon)]));
}

async function partitions(client: pg.Client): Promise<Partition[]> {
  return (await client.query<Partition>(PARTITIONS)).rows;
}

async function hasRows(client: pg.Client, from: number, until: number): Promise<boolean> {
  const { rows } = await client.query(
    'SELECT FROM tercet.history_default WHERE ended_at >= $1 AND ended_at < $2 LIMIT 1',
    [new Date(from), new Date(until)],
  );
  return rows.length > 0;
}

/**
 * Proves that history_default has nothing of these days, so that ATTACH need not look through it while it stops
 * everybody. If the node is killed before `make`, what ends on these days is refused until the next run allows it: so
 * not of days that begin before that.
 */
async function exclude(client: pg.Client, from: number, until: number): Promise<void> {
  if ((await client.query('SELECT FROM tercet.history_default LIMIT 1')).rows.length === 0) return;
  const [start, end] = [new Date(from).toISOString(), new Date(until).toISOString()];
  await client.query(`ALTER TABLE tercet.history_default ADD CONSTRAINT history_unattached
                        CHECK (ended_at < '${start}' OR ended_at >= '${end}') NOT VALID`);
  await client.query('ALTER TABLE tercet.history_default VALIDATE CONSTRAINT history_unattached');
}

async function allowAll(client: pg.Client): Promise<void> {
  const left = `SELECT FROM pg_constraint
                 WHERE conrelid = 'tercet.history_default'::regclass AND conname = 'history_unattached'`;
  if ((await client.query(left)).rows.length > 0) {
    await client.query('ALTER TABLE tercet.history_default DROP CONSTRAINT history_unattached');
  }
}

/** Made by itself and then attached: CREATE TABLE … PARTITION OF would stop everything that ends. */
async function make(client: pg.Client, from: number, until: number): Promise<string> {
  const [start, end] = [new Date(from).toISOString(), new Date(until).toISOString()];
  const name = `history_${start.slice(0, 10).replaceAll('-', '')}`;
  try {
    await client.query(`
      BEGIN;
      SET LOCAL statement_timeout = ${ATTACH_MS};
      CREATE TABLE tercet.${name} (LIKE tercet.history INCLUDING ALL);
      ALTER TABLE tercet.history ATTACH PARTITION tercet.${name} FOR VALUES FROM ('${start}') TO ('${end}');
      ALTER TABLE tercet.history_default DROP CONSTRAINT IF EXISTS history_unattached;
      COMMIT`);
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
  return name;
}
