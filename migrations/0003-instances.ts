import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The running instances of components. A heartbeat changes two columns that no index has, on a page that is half empty
 * (HOT), so that a thousand instances are a few dozen kilobytes for ever. `revision` changes only with what nodes must
 * hear of; until then they go by what the lease was when they looked last.
 */
export class Instances0000000000003 implements MigrationInterface {
  readonly name = 'Instances0000000000003';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE SEQUENCE tercet.instance_revision;
      CREATE TABLE tercet.instance (
        component  text COLLATE "C" NOT NULL,
        instance   text COLLATE "C" NOT NULL,
        url        text NOT NULL,
        ttl_ms     integer NOT NULL,
        revision   bigint NOT NULL DEFAULT nextval('tercet.instance_revision'),
        beaten_at  timestamptz(3) NOT NULL DEFAULT now(),
        until      timestamptz(3) NOT NULL,
        is_removed boolean NOT NULL DEFAULT false,
        PRIMARY KEY (component, instance)
      ) WITH (fillfactor = 50);
      CREATE INDEX instance_revision_key ON tercet.instance (revision);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE tercet.instance;
      DROP SEQUENCE tercet.instance_revision;
    `);
  }
}
