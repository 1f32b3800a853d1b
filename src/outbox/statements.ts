/** What a lane asks the database, all in one place. */
import type { Statement } from './session.js';
import type { OutboxTables } from './schema.js';

/** What a record takes besides payload and headers, at the most seldom exceeded. */
const FRAME_BYTES = 100;
/** More rows than this are not counted. */
export const MAX_DEPTH = 100_000;

/** $1 relay, $2 buckets, $3 their epochs: those of the buckets that are still this relay's. */
const mine = (lease: string): string => `
  SELECT l.bucket FROM unnest($2::smallint[], $3::bigint[]) AS h (bucket, epoch)
    JOIN ${lease} l ON l.bucket = h.bucket AND l.epoch = h.epoch WHERE l.owner = $1`;

export interface LaneStatements {
  readonly read: Statement;
  readonly remove: Statement;
  readonly bury: Statement;
}

export function laneStatements({ messages, lease, dead }: OutboxTables): LaneStatements {
  return {
    /**
     * The first rows of each bucket, in the order of the buckets given, without those that are on their way: an id
     * lower than theirs may be committed after they were read, so there is no place from which to read on.
     *
     * $1 buckets, $2 ids on their way or refused, $3 topics, $4 and $5 topics and keys that wait, $6 rows and $7 bytes at
     * the most.
     */
    read: {
      name: 'tercet-outbox-read',
      text: `
        SELECT bucket, id, topic, key, payload, headers FROM (
          SELECT o.*, sum(size) OVER (ROWS UNBOUNDED PRECEDING) AS total
            FROM unnest($1::smallint[]) AS b (bucket) CROSS JOIN LATERAL (
              SELECT m.bucket, m.id, m.topic, m.key, m.payload, m.headers,
                     octet_length(m.payload) + octet_length(m.headers) + ${FRAME_BYTES} AS size
                FROM ${messages} m
               WHERE m.bucket = b.bucket AND m.id NOT IN (SELECT unnest($2::bigint[])) AND m.topic <> ALL ($3::text[])
                 AND (m.key IS NULL OR (m.topic, m.key) NOT IN (SELECT * FROM unnest($4::text[], $5::text[])))
               ORDER BY m.id LIMIT $6::int
            ) o
           LIMIT $6::int
        ) batch WHERE total <= $7::int OR total = size`,
    },
    /**
     * $4 and $5: bucket and id of each row. Of buckets that are somebody else's nothing is removed. They are not
     * locked meanwhile: what the broker has may go even if it changes hands at this moment. Each row is looked up by
     * itself: as a join it would, after a vacuum of the empty table, go through the whole queue for each row.
     */
    remove: {
      name: 'tercet-outbox-remove',
      text: `
        WITH mine AS (${mine(lease)}), gone AS (
          DELETE FROM ${messages} WHERE ctid = ANY (ARRAY(
            SELECT found.ctid FROM unnest($4::smallint[], $5::bigint[]) AS s (bucket, id) CROSS JOIN LATERAL (
              SELECT m.ctid FROM ${messages} m WHERE m.bucket = s.bucket AND m.id = s.id OFFSET 0
            ) found
             WHERE s.bucket = ANY (ARRAY(SELECT bucket FROM mine))
          ))
        )
        SELECT bucket FROM mine`,
    },
    /** $4 id, $5 why. */
    bury: {
      name: 'tercet-outbox-bury',
      text: `
        WITH gone AS (
          DELETE FROM ${messages} m WHERE m.bucket IN (${mine(lease)}) AND m.id = $4 RETURNING *
        )
        INSERT INTO ${dead} (bucket, id, message_id, topic, key, payload, headers, created_at, error)
        SELECT bucket, id, message_id, topic, key, payload, headers, created_at, $5 FROM gone RETURNING bucket`,
    },
  };
}

/** How many rows there are, up to MAX_DEPTH, since when the first of a bucket waits, and how many are dead. */
export function depthStatement({ messages, lease, dead }: OutboxTables): Statement {
  return {
    name: 'tercet-outbox-depth',
    text: `
      SELECT (SELECT count(*)::int FROM (SELECT FROM ${messages} LIMIT ${MAX_DEPTH}) m) AS rows,
             (SELECT count(*)::int FROM (SELECT FROM ${dead} LIMIT ${MAX_DEPTH}) d) AS dead,
             (SELECT (extract(epoch FROM clock_timestamp() - min(created_at)) * 1000)::float8
                FROM ${lease} l CROSS JOIN LATERAL (
                  SELECT created_at FROM ${messages} m WHERE m.bucket = l.bucket ORDER BY id LIMIT 1
                ) o) AS "oldestMs"`,
  };
}
