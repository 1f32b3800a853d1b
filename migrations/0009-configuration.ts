import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The configuration center, and the gate that every begin passes.
 *
 * The gate is an advisory lock, (8372, 9). Who begins transactions takes it shared, in `enter_work`, and holds it until
 * its commit; who puts a strict release in force takes it exclusively, in `finish_rollout`. What `enter_work` reads, it
 * reads in a statement of its own after it has the lock: a statement that began before the switch would see the epoch of
 * before. Whoever waits for the exclusive side waits for what is under way, and all others behind him; so he waits
 * `lock_ms` at most, and tries again.
 *
 * `finish_rollout` is one call and needs nobody who could die in between. Any node may call it at any time.
 */
export class Configuration0000000000009 implements MigrationInterface {
  readonly name = 'Configuration0000000000009';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLES);
    await runner.query(GATE);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP FUNCTION tercet.finish_rollout, tercet.enter_work;
      DROP TABLE tercet.config_audit, tercet.config_data_key, tercet.config_report, tercet.config_ack,
        tercet.config_rollout, tercet.config_content, tercet.config_release, tercet.config_namespace,
        tercet.config_environment, tercet.work_gate;
      DROP FUNCTION tercet.config_audit_is_append_only;
      ALTER TABLE tercet.member DROP COLUMN evicted;
      ALTER TABLE tercet.transaction DROP COLUMN release;
      ALTER TABLE tercet.history DROP COLUMN release;
    `);
  }
}

const TABLES = `
  -- The release of tercet/coordinator that it began under; null: there was none.
  ALTER TABLE tercet.transaction ADD COLUMN release int;
  ALTER TABLE tercet.history ADD COLUMN release int;

  -- Its lease is not renewed any more: it did not answer a strict release in time.
  ALTER TABLE tercet.member ADD COLUMN evicted boolean NOT NULL DEFAULT false;

  CREATE TABLE tercet.work_gate (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    epoch   int NOT NULL
  );
  INSERT INTO tercet.work_gate (epoch) VALUES (0);

  CREATE TABLE tercet.config_environment (
    name         text COLLATE "C" PRIMARY KEY,
    -- The number of its newest release.
    last_release int NOT NULL DEFAULT 0,
    -- Raised by whatever changes what somebody gets.
    revision     bigint NOT NULL DEFAULT 0
  );

  CREATE TABLE tercet.config_namespace (
    environment    text COLLATE "C" NOT NULL REFERENCES tercet.config_environment,
    name           text COLLATE "C" NOT NULL,
    about          text NOT NULL DEFAULT '',
    schema         text,
    rules          text NOT NULL DEFAULT '[]',
    -- In force.
    release        int,
    draft          text,
    draft_base     int,
    -- Never falls, also while there is no draft.
    draft_revision int NOT NULL DEFAULT 0,
    drafted_by     text,
    drafted_at     timestamptz(3),
    draft_reason   text,
    PRIMARY KEY (environment, name)
  );
  INSERT INTO tercet.config_environment (name) VALUES ('tercet');
  INSERT INTO tercet.config_namespace (environment, name, about)
       VALUES ('tercet', 'coordinator', 'What the coordinators of this database go by');

  CREATE TABLE tercet.config_release (
    environment text COLLATE "C" NOT NULL REFERENCES tercet.config_environment,
    number      int NOT NULL,
    mode        text NOT NULL CHECK (mode IN ('all', 'gray', 'strict')),
    restores    int,
    checksum    text NOT NULL,
    reason      text NOT NULL,
    released_by text NOT NULL,
    released_at timestamptz(3) NOT NULL DEFAULT now(),
    -- Null: never for all.
    in_force_at timestamptz(3),
    PRIMARY KEY (environment, number)
  );

  CREATE TABLE tercet.config_content (
    environment text COLLATE "C" NOT NULL,
    number      int NOT NULL,
    namespace   text COLLATE "C" NOT NULL,
    base        int,
    content     text NOT NULL,
    checksum    text NOT NULL,
    PRIMARY KEY (environment, number, namespace),
    FOREIGN KEY (environment, number) REFERENCES tercet.config_release
  );
  CREATE INDEX config_content_namespace ON tercet.config_content (environment, namespace, number);

  CREATE TABLE tercet.config_rollout (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    environment text COLLATE "C" NOT NULL,
    number      int NOT NULL,
    mode        text NOT NULL CHECK (mode IN ('gray', 'strict')),
    state       text NOT NULL CHECK (state IN ('preparing', 'running', 'done', 'aborted')),
    labels      text NOT NULL DEFAULT '{}',
    percent     float8 NOT NULL DEFAULT 100,
    deadline_at timestamptz(3),
    on_silent   text NOT NULL DEFAULT 'abort' CHECK (on_silent IN ('abort', 'evict')),
    -- Of a strict one that is done: the epoch that began with it.
    epoch       int,
    started_by  text NOT NULL,
    started_at  timestamptz(3) NOT NULL DEFAULT now(),
    ended_at    timestamptz(3),
    why         text,
    FOREIGN KEY (environment, number) REFERENCES tercet.config_release
  );
  CREATE UNIQUE INDEX config_rollout_unfinished ON tercet.config_rollout (environment)
    WHERE state IN ('preparing', 'running');

  CREATE TABLE tercet.config_ack (
    rollout  bigint NOT NULL REFERENCES tercet.config_rollout,
    member   text COLLATE "C" NOT NULL,
    is_ready boolean NOT NULL,
    why      text,
    PRIMARY KEY (rollout, member)
  );

  CREATE TABLE tercet.config_report (
    environment text COLLATE "C" NOT NULL REFERENCES tercet.config_environment,
    instance    text COLLATE "C" NOT NULL,
    incarnation text NOT NULL,
    labels      text NOT NULL,
    -- By namespace: release, checksum, state, since, reason.
    namespaces  text NOT NULL,
    reported_at timestamptz(3) NOT NULL,
    until       timestamptz(3) NOT NULL,
    PRIMARY KEY (environment, instance)
  );

  -- What secrets are sealed with, itself sealed with a master key that only the environment of the processes has.
  CREATE TABLE tercet.config_data_key (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    environment text COLLATE "C" NOT NULL,
    namespace   text COLLATE "C" NOT NULL,
    -- Name of the master key.
    master      text NOT NULL,
    wrapped     text NOT NULL,
    created_at  timestamptz(3) NOT NULL DEFAULT now(),
    UNIQUE (environment, namespace)
  );

  CREATE TABLE tercet.config_audit (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz(3) NOT NULL DEFAULT now(),
    by          text NOT NULL,
    action      text NOT NULL,
    environment text COLLATE "C" NOT NULL,
    namespace   text COLLATE "C",
    release     int,
    reason      text,
    changes     text
  );
  CREATE INDEX config_audit_environment ON tercet.config_audit (environment, id);

  CREATE FUNCTION tercet.config_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION 'tercet.config_audit is append-only';
  END $$;
  CREATE TRIGGER config_audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tercet.config_audit
    FOR EACH STATEMENT EXECUTE FUNCTION tercet.config_audit_is_append_only();
`;

const GATE = `
  CREATE FUNCTION tercet.enter_work() RETURNS int LANGUAGE plpgsql AS $$
  DECLARE
    in_force int;
  BEGIN
    PERFORM pg_advisory_xact_lock_shared(8372, 9);
    SELECT epoch INTO STRICT in_force FROM tercet.work_gate WHERE is_only;
    RETURN in_force;
  END $$;

  -- 'waiting': somebody has not answered yet; 'over': it is decided. Fails with 55P03 when what is under way takes longer
  -- than lock_ms: then nothing has changed.
  CREATE FUNCTION tercet.finish_rollout(which bigint, lock_ms int) RETURNS text LANGUAGE plpgsql AS $$
  DECLARE
    rollout tercet.config_rollout;
    refusal tercet.config_ack;
    silent  text;
    ending  text;
    now_epoch int;
    evicting_until timestamptz;
  BEGIN
    PERFORM set_config('lock_timeout', lock_ms || 'ms', true);
    SELECT * INTO rollout FROM tercet.config_rollout WHERE id = which;
    IF rollout.state IS DISTINCT FROM 'preparing' THEN
      RETURN 'over';
    END IF;
    -- Looked at first without holding anybody up.
    evicting_until := CASE WHEN rollout.on_silent = 'evict'
      THEN rollout.deadline_at + greatest(rollout.deadline_at - rollout.started_at, interval '1 minute') END;
    IF NOT EXISTS (SELECT FROM tercet.config_ack WHERE config_ack.rollout = which AND NOT is_ready)
       AND EXISTS (SELECT FROM tercet.member m WHERE NOT m.dead AND m.until >= clock_timestamp()
                      AND (clock_timestamp() < rollout.deadline_at OR clock_timestamp() < evicting_until AND m.evicted)
                      AND NOT EXISTS (SELECT FROM tercet.config_ack a WHERE a.rollout = which AND a.member = m.id)) THEN
      RETURN 'waiting';
    END IF;

    -- From here on nothing is begun, and whatever was is committed. Nobody joins either.
    PERFORM pg_advisory_xact_lock(8372, 9);
    SELECT * INTO rollout FROM tercet.config_rollout WHERE id = which AND state = 'preparing' FOR UPDATE;
    IF NOT FOUND THEN
      RETURN 'over';
    END IF;

    SELECT * INTO refusal FROM tercet.config_ack WHERE config_ack.rollout = which AND NOT is_ready LIMIT 1;
    IF FOUND THEN
      UPDATE tercet.config_rollout SET state = 'aborted', ended_at = clock_timestamp(),
             why = left(refusal.member || ' rejects it: ' || coalesce(refusal.why, ''), 2000)
       WHERE id = which RETURNING why INTO STRICT ending;
      INSERT INTO tercet.config_audit (by, action, environment, release, reason)
           VALUES ('tercet', 'abort', rollout.environment, rollout.number, ending);
      PERFORM pg_notify('tercet_config', rollout.environment);
      RETURN 'aborted';
    END IF;

    -- Whose lease ran out is fenced: others take over what it owns, and it begins nothing under its name any more.
    WITH expired AS (
      SELECT id FROM tercet.member m WHERE NOT dead AND until < clock_timestamp()
         AND NOT EXISTS (SELECT FROM tercet.config_ack a WHERE a.rollout = which AND a.member = m.id)
       ORDER BY id FOR UPDATE
    )
    UPDATE tercet.member m SET dead = true FROM expired WHERE m.id = expired.id;

    SELECT string_agg(id, ', ' ORDER BY id) INTO silent FROM tercet.member m
     WHERE NOT dead AND NOT EXISTS (SELECT FROM tercet.config_ack a WHERE a.rollout = which AND a.member = m.id);
    IF silent IS NOT NULL THEN
      IF clock_timestamp() < rollout.deadline_at THEN
        RETURN 'waiting';
      END IF;
      IF clock_timestamp() < evicting_until THEN
        -- It lives, and may be calling a service: it is fenced when its lease has run out, and that is not renewed now.
        -- One that joins anew each time and says nothing again, or is of a version that renews all the same, ends it.
        UPDATE tercet.member m SET evicted = true
         WHERE NOT dead AND NOT evicted
           AND NOT EXISTS (SELECT FROM tercet.config_ack a WHERE a.rollout = which AND a.member = m.id);
        RETURN 'waiting';
      END IF;
      UPDATE tercet.config_rollout SET state = 'aborted', ended_at = clock_timestamp(),
             why = left('no answer in time from ' || silent, 2000)
       WHERE id = which RETURNING why INTO STRICT ending;
      INSERT INTO tercet.config_audit (by, action, environment, release, reason)
           VALUES ('tercet', 'abort', rollout.environment, rollout.number, ending);
      PERFORM pg_notify('tercet_config', rollout.environment);
      RETURN 'aborted';
    END IF;

    UPDATE tercet.work_gate SET epoch = epoch + 1 WHERE is_only RETURNING epoch INTO STRICT now_epoch;
    -- Its drafts stayed while it was prepared; what was drafted meanwhile stays.
    UPDATE tercet.config_namespace n
       SET release = rollout.number, draft = CASE WHEN n.draft IS DISTINCT FROM c.content THEN n.draft END
      FROM tercet.config_content c
     WHERE c.environment = rollout.environment AND c.number = rollout.number
       AND n.environment = c.environment AND n.name = c.namespace;
    UPDATE tercet.config_release SET in_force_at = clock_timestamp()
     WHERE environment = rollout.environment AND number = rollout.number;
    UPDATE tercet.config_rollout SET state = 'done', ended_at = clock_timestamp(), epoch = now_epoch WHERE id = which;
    UPDATE tercet.config_environment SET revision = revision + 1 WHERE name = rollout.environment;
    INSERT INTO tercet.config_audit (by, action, environment, release, reason)
         VALUES (rollout.started_by, 'strict release in force', rollout.environment, rollout.number,
                 'every node was ready');
    PERFORM pg_notify('tercet_config', rollout.environment);
    RETURN 'done';
  END $$;
`;
