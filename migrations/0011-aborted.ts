import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What was aborted is what people look for, and is rare: found by an index of its own, which costs what is committed
 * nothing.
 */
export class Aborted0000000000011 implements MigrationInterface {
  readonly name = 'Aborted0000000000011';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE INDEX history_aborted ON tercet.history (began_at, gid) WHERE status = 'aborted'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX tercet.history_aborted');
  }
}
