/**
 * Every statement of the fence, as printed in docs/fence.md; a test compares the two. TypeORM answers UPDATE in
 * another form than SELECT, so an UPDATE stands in a WITH.
 */

/**
 * $1: milliseconds, after which waiting for another call of the branch ends; null: as it is. What it marks is gone
 * with the transaction: where each statement is one of its own, nothing is recorded.
 */
export const BOUND = `
SELECT current_setting('lock_timeout') AS before,
       set_config('lock_timeout', coalesce($1, current_setting('lock_timeout')), true) AS bound,
       set_config('tercet.fenced', 'yes', true) AS fenced`;

/** $1 gid, $2 branch, $3 try, action, deliver or local, $4 began at. */
export const TRY = `
INSERT INTO tercet_fence (gid, branch_id, op, tried_at, began_at)
SELECT $1, $2, $3, now(), $4::timestamptz
WHERE current_setting('tercet.fenced', true) = 'yes'
ON CONFLICT DO NOTHING
RETURNING op`;

/** $1 gid, $2 branch, $3 cancel, compensate or check, $4 began at. */
export const CANCEL_FIRST = `
INSERT INTO tercet_fence (gid, branch_id, op, ended_at, began_at)
SELECT $1, $2, $3, now(), $4::timestamptz
WHERE current_setting('tercet.fenced', true) = 'yes'
ON CONFLICT DO NOTHING
RETURNING op`;

/** $1 gid, $2 branch, $3 cancel or compensate, $4 try or action. A try that ended refused left nothing to undo. */
export const CANCEL = `
WITH changed AS (
  UPDATE tercet_fence
  SET op = $3, state = CASE state WHEN 'refused' THEN 'refused' ELSE 'done' END, ended_at = now()
  WHERE gid = $1 AND branch_id = $2 AND op = $4
    AND current_setting('tercet.fenced', true) = 'yes'
  RETURNING op
)
SELECT op FROM changed`;

/** $1 gid, $2 branch, $3 confirm, $4 try. */
export const CONFIRM = `
WITH changed AS (
  UPDATE tercet_fence
  SET op = $3, ended_at = now()
  WHERE gid = $1 AND branch_id = $2 AND op = $4 AND state = 'done'
    AND current_setting('tercet.fenced', true) = 'yes'
  RETURNING op
)
SELECT op FROM changed`;

/** $1 gid, $2 branch, $3 began at, $4 the lock_timeout to go back to. A statement of its own: it must see what others committed. */
export const LOOK = `
SELECT f.op, f.state, f.reply::text AS reply, f.end_reply::text AS end_reply,
       coalesce((SELECT h.horizon > $3 FROM tercet_fence_horizon h), false) AS is_old,
       current_setting('transaction_isolation') AS isolation,
       coalesce(current_setting('tercet.fenced', true), '') = 'yes' AS fenced,
       set_config('lock_timeout', $4, true) AS restored
FROM (SELECT 1) AS always
LEFT JOIN tercet_fence f ON f.gid = $1 AND f.branch_id = $2`;

/** Only above READ COMMITTED, where LOOK sees a horizon as old as the snapshot: fails if it has moved since. */
export const HOLD_HORIZON = `
SELECT horizon FROM tercet_fence_horizon FOR SHARE`;

/** $1 gid, $2 branch, $3 op, $4 state before, $5 state after, $6 reply or null. */
export const RECORD = `
WITH changed AS (
  UPDATE tercet_fence
  SET state = $5,
      reply = CASE WHEN ended_at IS NULL THEN $6::json ELSE reply END,
      end_reply = CASE WHEN ended_at IS NULL THEN end_reply ELSE $6::json END
  WHERE gid = $1 AND branch_id = $2 AND op = $3 AND state = $4
    AND current_setting('tercet.fenced', true) = 'yes'
  RETURNING op
)
SELECT op FROM changed`;

/** Instead of RECORD where there is no reply: fails if the work hid an error of PostgreSQL, where COMMIT would not. */
export const PROBE = `
SELECT 1 AS alive`;

/** $1 began before, $2 how many rows at most. Rows in use are left for the next time. */
export const PURGE = `
WITH raised AS (
  INSERT INTO tercet_fence_horizon (horizon) VALUES ($1::timestamptz(3))
  ON CONFLICT (only_row) DO UPDATE SET horizon = greatest(tercet_fence_horizon.horizon, excluded.horizon)
), gone AS (
  DELETE FROM tercet_fence WHERE (gid, branch_id) IN (
    SELECT gid, branch_id FROM tercet_fence WHERE began_at < $1::timestamptz(3)
    ORDER BY began_at LIMIT $2 FOR UPDATE SKIP LOCKED
  )
  RETURNING 1
)
SELECT count(*)::integer AS removed FROM gone`;
