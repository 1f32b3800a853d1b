import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What has ended goes to tercet.history, one partition for each day on which it ended. The tables of 0001 hold only
 * what is unfinished. Their rows come and go, so vacuum does not pause in them, which keeps them small, and does not
 * cut them shorter, which would lock out everybody for space that is needed again a minute later.
 *
 * A partition that was never made must not keep anything from ending: history_default takes what no other does.
 * tercet.gid has every gid from its begin until it leaves history. Its began_at tells two transactions apart that had
 * one gid, the second after the first had left.
 */
export class History0000000000002 implements MigrationInterface {
  readonly name = 'History0000000000002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(ALONE);
    await runner.query(CREATE);
    await runner.query(MOVE);
    await runner.query(TIDY);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE tercet.transaction RESET (autovacuum_vacuum_cost_delay, vacuum_truncate);
      ALTER TABLE tercet.transaction SET (fillfactor = 50);
      ALTER TABLE tercet.branch RESET (autovacuum_vacuum_cost_delay, vacuum_truncate);
      ALTER TABLE tercet.timeline RESET (autovacuum_vacuum_cost_delay, vacuum_truncate);
      DROP INDEX tercet.transaction_unfinished;
      ALTER TABLE tercet.transaction DROP CONSTRAINT transaction_fits_history;
      ALTER TABLE tercet.transaction ADD ended_at timestamptz(3), ADD content_hash text;
      UPDATE tercet.transaction t SET content_hash = g.content_hash FROM tercet.gid g WHERE g.gid = t.gid;
      ALTER TABLE tercet.transaction ALTER content_hash SET NOT NULL;
      INSERT INTO tercet.transaction (${ALL}, content_hash)
      SELECT ${ALL}, (SELECT content_hash FROM tercet.gid g WHERE g.gid = h.gid) FROM tercet.history h;
      INSERT INTO tercet.branch (gid, branch_id, position, component, payload)
      SELECT gid, name ->> 0, number - 1, name ->> 1, payloads::json ->> (number - 1)::int
        FROM tercet.history, json_array_elements(branches::json) WITH ORDINALITY AS branch(name, number);
      INSERT INTO tercet.timeline (gid, version, events)
      SELECT gid, min(version), json_agg(event)
        FROM tercet.history, json_array_elements(events::json) AS saved(list), json_array_elements(list) AS event
       GROUP BY gid;
      CREATE INDEX transaction_unfinished ON tercet.transaction (owner, began_at) WHERE ended_at IS NULL;
      CREATE INDEX transaction_began_at ON tercet.transaction (began_at, gid);
      CREATE INDEX transaction_business_key ON tercet.transaction (business_key, began_at, gid)
        WHERE business_key IS NOT NULL;
      DROP TABLE tercet.history, tercet.gid;
      DO $do$
      DECLARE
        name text;
      BEGIN
        FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'tercet'::regnamespace AND relkind = 'r'
                       AND relname ~ '^history_(before|\\d{8})$' LOOP
          EXECUTE format('DROP TABLE tercet.%I', name);
        END LOOP;
      END $do$;
    `);
  }
}

const ALL = `gid, mode, drive, business_key, begun_by, began_at, deadline_at, owner, epoch, version, status, decision,
             reason, parked, progress, replies, decided_at, ended_at`;

/** What a node of the version before wrote after MOVE has read would be lost with the TRUNCATE. */
const ALONE = `
  LOCK TABLE tercet.member, tercet.transaction, tercet.branch, tercet.timeline IN ACCESS EXCLUSIVE MODE;
  DO $do$
  DECLARE
    running text := (SELECT string_agg(node, ', ' ORDER BY node) FROM tercet.member
                      WHERE NOT dead AND until > clock_timestamp());
  BEGIN
    IF running IS NOT NULL THEN RAISE object_in_use USING MESSAGE = running; END IF;
  END $do$;`;

const CREATE = `
  CREATE TABLE tercet.gid (
    gid          text COLLATE "C" PRIMARY KEY,
    content_hash text NOT NULL,
    began_at     timestamptz(3) NOT NULL
  );

  CREATE TABLE tercet.history (
    gid          text COLLATE "C" NOT NULL,
    mode         text NOT NULL,
    drive        text NOT NULL,
    business_key text,
    begun_by     text NOT NULL,
    began_at     timestamptz(3) NOT NULL,
    deadline_at  timestamptz(3),
    owner        text COLLATE "C" NOT NULL,
    epoch        integer NOT NULL,
    version      integer NOT NULL,
    status       text NOT NULL,
    decision     text,
    reason       text,
    parked       text,
    progress     text,
    replies      text,
    decided_at   timestamptz(3),
    ended_at     timestamptz(3) NOT NULL,
    branches     text,
    payloads     text,
    events       text NOT NULL,
    PRIMARY KEY (gid, ended_at)
  ) PARTITION BY RANGE (ended_at);
  CREATE INDEX history_began_at ON tercet.history (began_at, gid);
  CREATE INDEX history_business_key ON tercet.history (business_key, began_at, gid) WHERE business_key IS NOT NULL;

  CREATE TABLE tercet.history_default PARTITION OF tercet.history DEFAULT;
  DO $do$
  DECLARE
    today timestamptz := date_trunc('day', now(), 'UTC');
    one interval := interval '24 hours';
  BEGIN
    EXECUTE format('CREATE TABLE tercet.history_before PARTITION OF tercet.history FOR VALUES FROM (MINVALUE) TO (%L)',
                   today);
    FOR n IN 0..7 LOOP
      EXECUTE format('CREATE TABLE tercet.history_%s PARTITION OF tercet.history FOR VALUES FROM (%L) TO (%L)',
                     to_char((today + n * one) AT TIME ZONE 'UTC', 'YYYYMMDD'), today + n * one, today + (n + 1) * one);
    END LOOP;
  END $do$;`;

/** The unfinished ones step aside while the tables, most of which is finished, are emptied at once. */
const MOVE = `
  INSERT INTO tercet.gid (gid, content_hash, began_at) SELECT gid, content_hash, began_at FROM tercet.transaction;
  INSERT INTO tercet.history (${ALL}, branches, payloads, events)
  SELECT ${ALL}, b.branches, b.payloads,
         '[' || coalesce((SELECT string_agg(events, ',' ORDER BY l.version) FROM tercet.timeline l
                           WHERE l.gid = t.gid), '') || ']'
    FROM tercet.transaction t CROSS JOIN LATERAL (
      SELECT json_agg(json_build_array(branch_id, component) ORDER BY position)::text AS branches,
             json_agg(payload ORDER BY position)::text AS payloads
        FROM tercet.branch b WHERE b.gid = t.gid
    ) b WHERE ended_at IS NOT NULL;

  CREATE TEMPORARY TABLE unfinished ON COMMIT DROP AS SELECT * FROM tercet.transaction WHERE ended_at IS NULL;
  CREATE TEMPORARY TABLE unfinished_branch ON COMMIT DROP AS
    SELECT * FROM tercet.branch WHERE gid IN (SELECT gid FROM unfinished);
  CREATE TEMPORARY TABLE unfinished_timeline ON COMMIT DROP AS
    SELECT * FROM tercet.timeline WHERE gid IN (SELECT gid FROM unfinished);
  TRUNCATE tercet.transaction, tercet.branch, tercet.timeline;
  INSERT INTO tercet.transaction SELECT * FROM unfinished;
  INSERT INTO tercet.branch SELECT * FROM unfinished_branch;
  INSERT INTO tercet.timeline SELECT * FROM unfinished_timeline;`;

/** A business key that is too long for the index of history is refused at the begin, for it could never end. */
const TIDY = `
  DROP INDEX tercet.transaction_unfinished, tercet.transaction_began_at, tercet.transaction_business_key;
  ALTER TABLE tercet.transaction DROP COLUMN ended_at, DROP COLUMN content_hash;
  CREATE INDEX transaction_unfinished ON tercet.transaction (owner, began_at);
  ALTER TABLE tercet.transaction ADD CONSTRAINT transaction_fits_history CHECK (octet_length(business_key) <= 2000);
  ALTER TABLE tercet.transaction SET (fillfactor = 30, autovacuum_vacuum_cost_delay = 0, vacuum_truncate = false);
  ALTER TABLE tercet.branch SET (autovacuum_vacuum_cost_delay = 0, vacuum_truncate = false);
  ALTER TABLE tercet.timeline SET (autovacuum_vacuum_cost_delay = 0, vacuum_truncate = false);`;
