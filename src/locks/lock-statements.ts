/**
 * What is asked of a table of locks, all in one place. Every statement is a transaction of its own.
 *
 * A token is drawn while the row of its lock is locked, so tokens of a lock rise in the order of its holders, also
 * where the row was swept and made anew. A row by which an open transaction guards a write (guard.ts) is skipped, not
 * waited for: until that ends, nobody else gets the lock.
 */
import type { LockTables } from './schema.js';

/** Rows of one sweep. */
export const SWEEP = 10_000;
/** Rows without a holder are kept for so long, since most locks are taken again. */
const SWEPT_AFTER = '10 minutes';

/** A commit that does not wait for the disk could be forgotten in a crash, and its token drawn again. */
const SAFELY = `safely AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'on', true), set_config('lock_timeout', $1, true)
  )`;
const HELD = 'until > clock_timestamp()';
const MS = (moment: string): string => `(extract(epoch FROM ${moment}) * 1000)::float8`;
const SEEN = `name, node, owner, token::float8 AS token, ${MS('since')} AS since, ${MS('until')} AS until`;

export interface LockStatements {
  /** $2 name, $3 owner, $4 node, $5 lifetime in ms, $6 whoever has it. No row: the name is not in the table. */
  readonly take: string;
  /** $2 name: puts it into the table, free. */
  readonly make: string;
  /** $2 name, $3 owner, $4 lifetime in ms. What has ended is not held any more, even if nobody took it. */
  readonly renew: string;
  /** $2 name, $3 owner. */
  readonly release: string;
  /** $2 name. */
  readonly seize: string;
  readonly sweep: string;
  /** $1 how a name begins, $2 at most so many. */
  readonly list: string;
  /** $1 names. */
  readonly tokens: string;
  /** $1 name. */
  readonly show: string;
}

/**
 * $1 of whatever changes something: how long to wait for a row at most, ms.
 *
 * @param channel where the name is told of a lock that became free
 */
export function lockStatements({ lock, token }: LockTables, channel: string): LockStatements {
  return {
    take: `
      WITH ${SAFELY}, free AS (
        SELECT l.name FROM ${lock} l, safely WHERE l.name = $2 AND ($6::boolean OR NOT ${HELD})
           FOR UPDATE OF l SKIP LOCKED
      ), taken AS (
        UPDATE ${lock} l SET token = nextval('${token}'), owner = $3, node = $4, since = clock_timestamp(),
                             until = clock_timestamp() + $5 * interval '1 ms'
          FROM free WHERE l.name = free.name RETURNING l.token
      )
      SELECT (SELECT token::float8 FROM taken) AS token,
             CASE WHEN ${HELD} THEN ${MS('until - clock_timestamp()')} END AS "leftMs"
        FROM ${lock} WHERE name = $2`,
    make: `
      WITH ${SAFELY}
      INSERT INTO ${lock} (name, token, owner, node, since, until)
      SELECT $2, nextval('${token}'), '', '', clock_timestamp(), '-infinity' FROM safely ON CONFLICT DO NOTHING`,
    renew: `
      WITH ${SAFELY}
      UPDATE ${lock} SET until = clock_timestamp() + $4 * interval '1 ms' FROM safely
       WHERE name = $2 AND owner = $3 AND ${HELD} RETURNING name`,
    // The token stays until the next holder draws his: to change it would mean to wait for guarded writes.
    release: `
      WITH ${SAFELY}, mine AS (
        SELECT l.name, ${HELD} AS held FROM ${lock} l, safely
         WHERE l.name = $2 AND l.owner = $3 AND l.until <> '-infinity' FOR NO KEY UPDATE OF l
      ), free AS (
        UPDATE ${lock} l SET until = '-infinity' FROM mine WHERE l.name = mine.name RETURNING l.name
      ), told AS (
        SELECT pg_notify('${channel}', name) FROM free
      )
      SELECT held FROM mine, told`,
    // The token ends at once, unless a write is being guarded by it: that is not waited for here, but by the next holder.
    seize: `
      WITH ${SAFELY}, held AS (
        SELECT l.* FROM ${lock} l, safely WHERE l.name = $2 AND ${HELD} FOR NO KEY UPDATE OF l
      ), unguarded AS (
        SELECT l.name FROM ${lock} l, held WHERE l.name = held.name FOR UPDATE OF l SKIP LOCKED
      ), free AS (
        UPDATE ${lock} l SET until = '-infinity', owner = '',
               token = CASE WHEN EXISTS (SELECT FROM unguarded) THEN nextval('${token}') ELSE l.token END
          FROM held WHERE l.name = held.name RETURNING l.name
      ), told AS (
        SELECT pg_notify('${channel}', name) FROM free
      )
      SELECT ${SEEN} FROM held, told`,
    sweep: `
      WITH ${SAFELY}, old AS (
        SELECT l.name FROM ${lock} l, safely
         WHERE NOT ${HELD} AND l.since < clock_timestamp() - interval '${SWEPT_AFTER}'
         LIMIT ${SWEEP} FOR UPDATE OF l SKIP LOCKED
      )
      DELETE FROM ${lock} l USING old WHERE l.name = old.name RETURNING l.name`,
    list: `SELECT ${SEEN} FROM ${lock} WHERE starts_with(name, $1) AND ${HELD} ORDER BY name LIMIT $2`,
    tokens: `SELECT name, owner, token::float8 AS token FROM ${lock} WHERE name = ANY ($1)`,
    show: `SELECT ${SEEN} FROM ${lock} WHERE name = $1 AND ${HELD}`,
  };
}
