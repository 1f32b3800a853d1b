import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What ids are made of. A worker id is leased with the row of a member, which it ends with; `used_until` (ms since 1970)
 * says up to when somebody may have used it. `next` of a segment is the first number that nobody has bought.
 */
export class Ids0000000000008 implements MigrationInterface {
  readonly name = 'Ids0000000000008';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE tercet.member ADD COLUMN worker_id smallint;
      CREATE UNIQUE INDEX member_worker_key ON tercet.member (worker_id) WHERE NOT dead;

      CREATE TABLE tercet.worker (
        id         smallint PRIMARY KEY,
        used_until bigint NOT NULL DEFAULT 0
      );
      INSERT INTO tercet.worker (id) SELECT generate_series(0, 1023);

      CREATE TABLE tercet.id_segment (
        name text COLLATE "C" PRIMARY KEY,
        next bigint NOT NULL
      );

      CREATE SEQUENCE tercet.id_sequence;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP SEQUENCE tercet.id_sequence;
      DROP TABLE tercet.id_segment, tercet.worker;
      DROP INDEX tercet.member_worker_key;
      ALTER TABLE tercet.member DROP COLUMN worker_id;
    `);
  }
}
