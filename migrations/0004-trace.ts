import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The trace that a transaction belongs to: src/protocol/trace.ts has its form. */
export class Trace0000000000004 implements MigrationInterface {
  readonly name = 'Trace0000000000004';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tercet.transaction ADD trace text; ALTER TABLE tercet.history ADD trace text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tercet.transaction DROP trace; ALTER TABLE tercet.history DROP trace');
  }
}
