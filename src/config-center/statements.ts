/**
 * What the configuration center asks the database.
 *
 * Rows are locked in one order, that of tercet.finish_rollout: the rollout, its namespaces, the environment. Who makes a
 * release locks the environment first, and goes on to namespaces only where no rollout is unfinished.
 */

const NAMESPACE_COLUMNS = `n.environment, n.name, n.about, n.schema, n.rules, n.release, n.draft, n.draft_base,
  n.draft_revision, n.drafted_by, n.drafted_at, n.draft_reason, c.content, c.checksum,
  md5(coalesce(n.schema, '') || ' ' || n.rules) AS terms`;

/** $1 environment, $2 names; null: all. */
export const NAMESPACES = `
  SELECT ${NAMESPACE_COLUMNS}
    FROM tercet.config_namespace n
    LEFT JOIN tercet.config_content c ON c.environment = n.environment AND c.number = n.release AND c.namespace = n.name
   WHERE n.environment = $1 AND ($2::text[] IS NULL OR n.name = ANY ($2))
   ORDER BY n.name`;

/** $1 environment. */
export const ENVIRONMENT = 'SELECT last_release FROM tercet.config_environment WHERE name = $1';

export const ENVIRONMENTS = `
  SELECT e.name AS environment, e.last_release AS "lastRelease", e.revision::float8 AS revision,
         (SELECT count(*)::int FROM tercet.config_namespace n WHERE n.environment = e.name) AS namespaces
    FROM tercet.config_environment e ORDER BY e.name`;

/** $1 environment. */
export const NAMESPACE_LIST = `
  SELECT environment, name AS namespace, about, release, draft IS NOT NULL AS "hasDraft"
    FROM tercet.config_namespace WHERE environment = $1 ORDER BY name`;

/** The first environment is always there: whoever makes another one holds it. */
export const MAKE_ENVIRONMENT_ALONE = `SELECT FROM tercet.config_environment WHERE name = 'tercet' FOR NO KEY UPDATE`;
export const COUNT_ENVIRONMENTS = 'SELECT count(*)::int AS n FROM tercet.config_environment';
/** $1 environment. */
export const MAKE_ENVIRONMENT = 'INSERT INTO tercet.config_environment (name) VALUES ($1) ON CONFLICT DO NOTHING';
/** $1 environment. */
export const LOCK_ENVIRONMENT = `
  SELECT last_release FROM tercet.config_environment WHERE name = $1 FOR NO KEY UPDATE`;
/** $1 environment. */
export const COUNT_NAMESPACES = 'SELECT count(*)::int AS n FROM tercet.config_namespace WHERE environment = $1';
/** $1 environment, $2 namespace, $3 about, $4 schema, $5 rules. */
export const MAKE_NAMESPACE = `
  INSERT INTO tercet.config_namespace (environment, name, about, schema, rules) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT DO NOTHING RETURNING name`;
/** $1 environment, $2 namespace. */
export const LOCK_NAMESPACE = `
  SELECT about, schema, rules, release, draft, draft_revision
    FROM tercet.config_namespace WHERE environment = $1 AND name = $2 FOR NO KEY UPDATE`;
/** $1 environment, $2 namespace, $3 about, $4 schema, $5 rules. */
export const PUT_NAMESPACE = `
  UPDATE tercet.config_namespace SET about = $3, schema = $4, rules = $5 WHERE environment = $1 AND name = $2`;

/** $1 environment, $2 namespace, $3 content, $4 base, $5 who, $6 reason. */
export const WRITE_DRAFT = `
  UPDATE tercet.config_namespace
     SET draft = $3, draft_base = $4, draft_revision = draft_revision + 1, drafted_by = $5,
         drafted_at = clock_timestamp(), draft_reason = $6
   WHERE environment = $1 AND name = $2
  RETURNING draft_revision, drafted_at`;
/** $1 environment, $2 namespace. */
export const DROP_DRAFT = `
  UPDATE tercet.config_namespace
     SET draft = NULL, draft_base = NULL, drafted_by = NULL, drafted_at = NULL, draft_reason = NULL
   WHERE environment = $1 AND name = $2`;

/** $1 environment, $2 number, $3 namespace. */
export const CONTENT = `
  SELECT content, checksum FROM tercet.config_content WHERE environment = $1 AND number = $2::bigint AND namespace = $3`;

/**
 * $1 environment, $2 number, $3 namespace or null: what was in force right after this release, which counts also where it
 * never came into force itself.
 */
export const CONTENTS_AFTER = `
  SELECT DISTINCT ON (c.namespace) c.namespace, c.number, c.content, c.checksum
    FROM tercet.config_content c
    JOIN tercet.config_release r ON r.environment = c.environment AND r.number = c.number
   WHERE c.environment = $1 AND c.number <= $2::bigint AND ($3::text IS NULL OR c.namespace = $3)
     AND (c.number = $2::bigint OR r.in_force_at IS NOT NULL)
   ORDER BY c.namespace, c.number DESC`;

/** $1 environment, $2 names: in the order of names, as everywhere. */
export const LOCK_NAMESPACES = `
  SELECT name, release, CASE WHEN draft IS NULL THEN 0 ELSE draft_revision END AS revision,
         md5(coalesce(schema, '') || ' ' || rules) AS terms
    FROM tercet.config_namespace WHERE environment = $1 AND name = ANY ($2) ORDER BY name FOR NO KEY UPDATE`;
/** $1 environment, $2 whether somebody gets something else now. */
export const NEXT_RELEASE = `
  UPDATE tercet.config_environment SET last_release = last_release + 1, revision = revision + $2::int
   WHERE name = $1 RETURNING last_release AS number`;
/** $1 environment, $2 number, $3 mode, $4 restores, $5 checksum, $6 reason, $7 who. */
export const MAKE_RELEASE = `
  INSERT INTO tercet.config_release (environment, number, mode, restores, checksum, reason, released_by, released_at,
                                     in_force_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp(), CASE WHEN $3 = 'all' THEN clock_timestamp() END)`;
/** $1 environment, $2 number, and of each content: $3 namespace, $4 base, $5 text, $6 checksum. */
export const MAKE_CONTENTS = `
  INSERT INTO tercet.config_content (environment, number, namespace, base, content, checksum)
  SELECT $1, $2, * FROM unnest($3::text[], $4::int[], $5::text[], $6::text[])`;
/** $1 environment, $2 names. */
export const DROP_DRAFTS = `
  UPDATE tercet.config_namespace
     SET draft = NULL, draft_base = NULL, drafted_by = NULL, drafted_at = NULL, draft_reason = NULL
   WHERE environment = $1 AND name = ANY ($2)`;
/** $1 environment, $2 number. */
export const PUT_IN_FORCE = `
  UPDATE tercet.config_namespace n SET release = $2
    FROM tercet.config_content c
   WHERE c.environment = $1 AND c.number = $2 AND n.environment = c.environment AND n.name = c.namespace`;
/** $1 environment, $2 number. */
export const NOW_IN_FORCE = `
  UPDATE tercet.config_release SET in_force_at = clock_timestamp() WHERE environment = $1 AND number = $2`;

/** $1 environment, $2 number, $3 labels, $4 percent. */
export const START_GRAY = `
  INSERT INTO tercet.config_rollout (environment, number, mode, state, labels, percent, started_by, started_at)
  VALUES ($1, $2, 'gray', 'running', $3, $4, $5, clock_timestamp()) RETURNING id::float8 AS id`;
/** $1 environment, $2 number, $3 until its deadline in ms, $4 what becomes of silent nodes. */
export const START_STRICT = `
  INSERT INTO tercet.config_rollout (environment, number, mode, state, deadline_at, on_silent, started_by, started_at)
  VALUES ($1, $2, 'strict', 'preparing', clock_timestamp() + $3 * interval '1 ms', $4, $5, clock_timestamp())
  RETURNING id::float8 AS id`;

const ROLLOUT_COLUMNS = `o.id::float8 AS id, o.environment, o.number, o.mode, o.state, o.labels, o.percent, o.deadline_at,
  o.started_by, o.started_at, o.ended_at, o.why,
  (SELECT coalesce(json_agg(json_build_object('member', a.member, 'isReady', a.is_ready, 'why', a.why) ORDER BY a.member),
                   '[]')
     FROM tercet.config_ack a WHERE a.rollout = o.id) AS acks`;
/** $1 environment: the unfinished one or else the last. */
export const ROLLOUT = `
  SELECT ${ROLLOUT_COLUMNS} FROM tercet.config_rollout o WHERE environment = $1 ORDER BY id DESC LIMIT 1`;
export const UNFINISHED_ROLLOUTS = `
  SELECT ${ROLLOUT_COLUMNS} FROM tercet.config_rollout o WHERE state IN ('preparing', 'running')`;
/** $1 environment, $2 number. */
export const ROLLOUT_OF = `
  SELECT ${ROLLOUT_COLUMNS} FROM tercet.config_rollout o WHERE environment = $1 AND number = $2`;
/** $1 environment. */
export const UNFINISHED_ROLLOUT = `
  SELECT number FROM tercet.config_rollout WHERE environment = $1 AND state IN ('preparing', 'running')`;
/** $1 environment. */
export const LOCK_ROLLOUT = `
  SELECT id::float8 AS id, number, mode, labels, percent FROM tercet.config_rollout
   WHERE environment = $1 AND state IN ('preparing', 'running') FOR UPDATE`;
/** $1 id, $2 state, $3 why. */
export const END_ROLLOUT = `
  UPDATE tercet.config_rollout SET state = $2, why = left($3, 2000), ended_at = clock_timestamp() WHERE id = $1`;
/** $1 id, $2 labels, $3 percent, $4 why. */
export const WIDEN_ROLLOUT = `
  UPDATE tercet.config_rollout SET labels = $2, percent = $3, why = left($4, 2000) WHERE id = $1`;
/** $1 environment. */
export const RAISE_REVISION = `
  UPDATE tercet.config_environment SET revision = revision + 1 WHERE name = $1`;
/**
 * $1 environment, $2 number: what was released from drafts and taken back is drafted again, where nobody has drafted or
 * released anything since.
 */
export const RETURN_DRAFTS = `
  UPDATE tercet.config_namespace n
     SET draft = c.content, draft_base = c.base, draft_revision = n.draft_revision + 1, drafted_by = r.released_by,
         drafted_at = clock_timestamp(), draft_reason = r.reason
    FROM tercet.config_content c
    JOIN tercet.config_release r ON r.environment = c.environment AND r.number = c.number
   WHERE c.environment = $1 AND c.number = $2 AND r.restores IS NULL AND r.mode = 'gray'
     AND n.environment = c.environment AND n.name = c.namespace
     AND n.draft IS NULL AND n.release IS NOT DISTINCT FROM c.base`;
/** $1 environment: whoever listens looks once this is committed. */
export const NOTIFY = `SELECT pg_notify('tercet_config', $1)`;

const RELEASE_COLUMNS = `r.environment, r.number, r.mode, r.restores, r.checksum, r.reason, r.released_by, r.released_at,
  CASE WHEN r.in_force_at IS NULL THEN
         CASE WHEN EXISTS (SELECT FROM tercet.config_rollout o WHERE o.environment = r.environment
                              AND o.number = r.number AND o.state IN ('preparing', 'running'))
              THEN 'pending' ELSE 'taken back' END
       WHEN EXISTS (SELECT FROM tercet.config_namespace n WHERE n.environment = r.environment AND n.release = r.number)
       THEN 'in force' ELSE 'replaced' END AS state`;
/** $1 environment, $2 older than this or null, $3 at most so many. */
export const RELEASES = `
  SELECT ${RELEASE_COLUMNS},
         ARRAY(SELECT c.namespace FROM tercet.config_content c
                WHERE c.environment = r.environment AND c.number = r.number ORDER BY c.namespace) AS namespaces
    FROM tercet.config_release r WHERE r.environment = $1 AND ($2::bigint IS NULL OR r.number < $2)
   ORDER BY r.number DESC LIMIT $3`;
/** $1 environment, $2 number. */
export const RELEASE = `SELECT ${RELEASE_COLUMNS} FROM tercet.config_release r WHERE r.environment = $1 AND r.number = $2::bigint`;
/** $1 environment, $2 number: with what each was based on. */
export const RELEASE_CONTENTS = `
  SELECT c.namespace, c.base, c.content, c.checksum, b.content AS base_content, b.checksum AS base_checksum
    FROM tercet.config_content c
    LEFT JOIN tercet.config_content b ON b.environment = c.environment AND b.number = c.base AND b.namespace = c.namespace
   WHERE c.environment = $1 AND c.number = $2 ORDER BY c.namespace`;

/** $1 environment, $2 instance. */
export const REPORTED = `
  SELECT incarnation, namespaces FROM tercet.config_report
   WHERE environment = $1 AND instance = $2 FOR UPDATE`;
/** $1 environment, $2 names: which of them there are. */
export const KNOWN_NAMESPACES = `
  SELECT name FROM tercet.config_namespace WHERE environment = $1 AND name = ANY ($2)`;
/** $1 environment, $2 instance, $3 incarnation, $4 labels, $5 namespaces, $6 how long it counts in ms. */
export const REPORT = `
  INSERT INTO tercet.config_report (environment, instance, incarnation, labels, namespaces, reported_at, until)
  VALUES ($1, $2, $3, $4, $5, clock_timestamp(), clock_timestamp() + $6 * interval '1 ms')
  ON CONFLICT (environment, instance) DO UPDATE
     SET incarnation = $3, labels = $4, namespaces = $5, reported_at = excluded.reported_at, until = excluded.until`;
/** As REPORT, where it says what it said before. */
export const REPORT_AGAIN = `
  UPDATE tercet.config_report
     SET reported_at = clock_timestamp(), until = clock_timestamp() + $6 * interval '1 ms'
   WHERE environment = $1 AND instance = $2 AND incarnation = $3 AND labels = $4 AND namespaces = $5
  RETURNING instance`;
/** $1 environment: those that are gone for so long that nobody asks any more. */
export const FORGET_REPORTS = `
  DELETE FROM tercet.config_report r USING (
    SELECT instance FROM tercet.config_report
     WHERE environment = $1 AND until < clock_timestamp() - interval '1 day' FOR UPDATE SKIP LOCKED
  ) gone WHERE r.environment = $1 AND r.instance = gone.instance`;
/** $1 environment. */
export const COUNT_REPORTS = 'SELECT count(*)::int AS n FROM tercet.config_report WHERE environment = $1';
/** $1 environment. */
export const REPORTS = `
  SELECT instance, incarnation, labels, namespaces, reported_at, until >= clock_timestamp() AS alive
    FROM tercet.config_report
   WHERE environment = $1 AND until >= clock_timestamp() - interval '1 day' ORDER BY instance`;
/** $1 environment: what is in force, and what the running gray release has in place of it. */
export const DESIRED = `
  SELECT n.name, n.release, c.number AS gray, o.labels, o.percent
    FROM tercet.config_namespace n
    LEFT JOIN tercet.config_rollout o
      ON o.environment = n.environment AND o.state = 'running' AND o.mode = 'gray'
    LEFT JOIN tercet.config_content c ON c.environment = n.environment AND c.number = o.number AND c.namespace = n.name
   WHERE n.environment = $1`;

/** $1 environment, $2 namespace. */
export const DATA_KEY = `
  SELECT environment, namespace, master, wrapped FROM tercet.config_data_key WHERE environment = $1 AND namespace = $2`;
/** $1 environment, $2 namespace, $3 master, $4 wrapped. */
export const MAKE_DATA_KEY = `
  INSERT INTO tercet.config_data_key (environment, namespace, master, wrapped) VALUES ($1, $2, $3, $4)
  ON CONFLICT DO NOTHING`;
export const ALL_DATA_KEYS = `
  SELECT environment, namespace, master, wrapped FROM tercet.config_data_key ORDER BY id FOR UPDATE`;
/** $1 JSON: each with its environment, namespace, master and wrapped. */
export const WRAP_DATA_KEYS = `
  UPDATE tercet.config_data_key k SET master = w.master, wrapped = w.wrapped
    FROM json_to_recordset($1) AS w (environment text, namespace text, master text, wrapped text)
   WHERE k.environment = w.environment AND k.namespace = w.namespace`;

/** $1 JSON: each with its by, action, environment, namespace, release, reason and changes. */
export const AUDIT = `
  INSERT INTO tercet.config_audit (at, by, action, environment, namespace, release, reason, changes)
  SELECT clock_timestamp(), by, action, environment, namespace, release, reason, changes
    FROM json_to_recordset($1) AS e (by text, action text, environment text, namespace text, release int, reason text,
                                     changes text)`;
/** $1 environment, $2 older than this or null, $3 at most so many. */
export const AUDIT_PAGE = `
  SELECT id::float8 AS id, at, by, action, environment, namespace, release, reason, changes
    FROM tercet.config_audit WHERE environment = $1 AND ($2::bigint IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`;
