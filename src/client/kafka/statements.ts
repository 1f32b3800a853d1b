/** Every statement of the inbox. TypeORM answers UPDATE and DELETE in another form than SELECT, so they stand in a WITH. */

/** $1: milliseconds, after which waiting for another consumer of the message ends. */
export const BOUND = `
SELECT current_setting('lock_timeout') AS before, set_config('lock_timeout', $1, true) AS bound`;

/**
 * $1 consumer, $2 message, $3 topic, $4 partition, $5 offset, $6 key, $7 the lock_timeout to go back to.
 *
 * The row that parks the key is held until the end of the transaction, so that the key is not let go before this message
 * follows. A dead message counts at its own place alone: put back into the topic, it is tried again.
 */
export const ENTER = `
WITH known AS (
  SELECT 1 FROM tercet_inbox WHERE consumer = $1 AND message_id = $2
), parking AS (
  SELECT 1 FROM tercet_inbox_failed WHERE consumer = $1 AND topic = $3 AND key = $6::bytea AND is_parking FOR SHARE
), dead AS (
  SELECT 1 FROM tercet_inbox_failed
  WHERE consumer = $1 AND message_id = $2 AND is_dead
    AND topic = $3 AND partition = $4::integer AND "offset" = $5::bigint
), entered AS (
  INSERT INTO tercet_inbox (consumer, message_id)
  SELECT $1, $2
  WHERE NOT EXISTS (SELECT FROM known) AND NOT EXISTS (SELECT FROM dead) AND NOT EXISTS (SELECT FROM parking)
  ON CONFLICT DO NOTHING
  RETURNING 1
), verdict AS (
  SELECT CASE
    WHEN EXISTS (SELECT FROM entered) THEN 'run'
    WHEN EXISTS (SELECT FROM known) THEN 'repeat'
    WHEN EXISTS (SELECT FROM dead) THEN 'dead'
    WHEN EXISTS (SELECT FROM parking) THEN 'parked'
    ELSE 'repeat'
  END AS verdict
)
SELECT verdict, set_config('lock_timeout', $7, true) AS restored FROM verdict`;

/** The same for a message of a dead-letter topic, which is to take effect although it is dead. $1 to $3: see ENTER. */
export const ENTER_DEAD = `
WITH entered AS (
  INSERT INTO tercet_inbox (consumer, message_id) VALUES ($1, $2)
  ON CONFLICT DO NOTHING
  RETURNING 1
), verdict AS (
  SELECT CASE WHEN EXISTS (SELECT FROM entered) THEN 'run' ELSE 'repeat' END AS verdict
)
SELECT verdict, set_config('lock_timeout', $3, true) AS restored FROM verdict`;

/** $1 consumer, $2 message. After the work: fails if it hid an error of PostgreSQL, where COMMIT would not. */
export const SETTLE = `
WITH gone AS (
  DELETE FROM tercet_inbox_failed WHERE consumer = $1 AND message_id = $2 RETURNING attempts
)
SELECT count(*)::integer AS gone FROM gone`;

/** $1 consumer, $2 message, $3 topic, $4 partition, $5 offset, $6 key, $7 error. No row: it took effect elsewhere. */
export const FAIL = `
INSERT INTO tercet_inbox_failed AS f (consumer, message_id, topic, partition, "offset", key, attempts, error)
SELECT $1, $2, $3, $4::integer, $5::bigint, $6::bytea, 1, $7
WHERE NOT EXISTS (SELECT FROM tercet_inbox WHERE consumer = $1 AND message_id = $2)
ON CONFLICT (consumer, message_id) DO UPDATE SET
  topic = excluded.topic, partition = excluded.partition, "offset" = excluded."offset",
  error = excluded.error, failed_at = excluded.failed_at,
  -- Put back into the topic, it has its whole budget again.
  attempts = CASE WHEN f.is_dead THEN 1 ELSE f.attempts + 1 END,
  first_failed_at = CASE WHEN f.is_dead THEN excluded.first_failed_at ELSE f.first_failed_at END,
  is_dead = false, is_parking = false
RETURNING attempts, extract(epoch FROM now() - first_failed_at)::float8 * 1000 AS age_ms`;

/** $1 consumer, $2 message, $3 whether the key parks. */
export const BURY = `
WITH buried AS (
  UPDATE tercet_inbox_failed SET is_dead = true, is_parking = $3::boolean AND key IS NOT NULL
  WHERE consumer = $1 AND message_id = $2
  RETURNING attempts
)
SELECT attempts FROM buried`;

/** As FAIL, of a message that was not tried because its key is parked. */
export const FOLLOW = `
INSERT INTO tercet_inbox_failed
  (consumer, message_id, topic, partition, "offset", key, attempts, error, is_dead, is_parking)
VALUES ($1, $2, $3, $4::integer, $5::bigint, $6::bytea, 0, $7, true, true)
ON CONFLICT (consumer, message_id) DO UPDATE SET
  topic = excluded.topic, partition = excluded.partition, "offset" = excluded."offset", is_dead = true, is_parking = true
RETURNING attempts`;

/** $1 consumer, $2 message. */
export const OBITUARY = `
SELECT attempts, error, first_failed_at FROM tercet_inbox_failed WHERE consumer = $1 AND message_id = $2`;

/** $1 consumer, $2 topic, $3 key. */
export const RELEASE = `
WITH released AS (
  UPDATE tercet_inbox_failed SET is_parking = false
  WHERE consumer = $1 AND topic = $2 AND key = $3::bytea AND is_parking
  RETURNING 1
)
SELECT count(*)::integer AS rows FROM released`;

/** $1 processed before, $2 how many rows at most. Rows in use are left for the next time; parked keys stay so. */
export const PURGE = `
WITH gone AS (
  DELETE FROM tercet_inbox WHERE (consumer, message_id) IN (
    SELECT consumer, message_id FROM tercet_inbox WHERE processed_at < $1::timestamptz(3)
    ORDER BY processed_at LIMIT $2 FOR UPDATE SKIP LOCKED
  )
  RETURNING 1
), forgotten AS (
  DELETE FROM tercet_inbox_failed WHERE failed_at < $1::timestamptz(3) AND NOT is_parking
)
SELECT count(*)::integer AS rows FROM gone`;
