import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Most transactions know all their branches at the begin and end after two or three writes. Their branches, payloads and
 * events stand in their own row from now on: a transaction is then one row that is inserted, updated, deleted, and goes
 * to history as it is. What may grow for long stays beside it: branches that join later, in `branch`, and the events of
 * transactions that were written often, in `timeline`.
 */
export class Rows0000000000010 implements MigrationInterface {
  readonly name = 'Rows0000000000010';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(ALONE);
    await runner.query(`
      ALTER TABLE tercet.transaction ADD COLUMN branches text, ADD COLUMN payloads text, ADD COLUMN events text;
      UPDATE tercet.transaction t SET branches = b.branches, payloads = b.payloads
        FROM (SELECT gid, json_agg(json_build_array(branch_id, component) ORDER BY position)::text AS branches,
                     json_agg(payload ORDER BY position)::text AS payloads
                FROM tercet.branch GROUP BY gid) b
       WHERE b.gid = t.gid AND NOT (t.drive = 'initiator' AND t.mode = 'tcc');
      DELETE FROM tercet.branch b USING tercet.transaction t WHERE t.gid = b.gid AND t.branches IS NOT NULL;
      -- Whoever writes one without its branches, as nodes of the version before do, is refused.
      ALTER TABLE tercet.transaction ADD CONSTRAINT transaction_has_branches
        CHECK (branches IS NOT NULL OR (drive = 'initiator' AND mode = 'tcc'));
      UPDATE tercet.transaction t SET events = l.events
        FROM (SELECT gid, string_agg(events, ',' ORDER BY version) AS events FROM tercet.timeline GROUP BY gid) l
       WHERE l.gid = t.gid;
      DELETE FROM tercet.timeline;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(ALONE);
    await runner.query(`
      INSERT INTO tercet.branch (gid, branch_id, position, component, payload)
      SELECT gid, of.branch ->> 0, of.position - 1, of.branch ->> 1, payload
        FROM tercet.transaction,
             ROWS FROM (json_array_elements(branches::json), json_array_elements_text(payloads::json))
               WITH ORDINALITY AS of(branch, payload, position);
      INSERT INTO tercet.timeline (gid, version, events)
      SELECT gid, 0, events FROM tercet.transaction WHERE events IS NOT NULL;
      ALTER TABLE tercet.transaction DROP CONSTRAINT transaction_has_branches,
        DROP COLUMN branches, DROP COLUMN payloads, DROP COLUMN events;
    `);
  }
}

/** A node of the version before would look for all branches in `branch`. */
const ALONE = `
  LOCK TABLE tercet.member, tercet.transaction, tercet.branch, tercet.timeline IN ACCESS EXCLUSIVE MODE;
  DO $do$
  DECLARE
    running text := (SELECT string_agg(node, ', ' ORDER BY node) FROM tercet.member
                      WHERE NOT dead AND until > clock_timestamp());
  BEGIN
    IF running IS NOT NULL THEN RAISE object_in_use USING MESSAGE = running; END IF;
  END $do$;`;
