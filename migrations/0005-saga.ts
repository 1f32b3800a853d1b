import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a saga was begun with beyond its branches: src/storage/rows.ts has its form. */
export class Saga0000000000005 implements MigrationInterface {
  readonly name = 'Saga0000000000005';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tercet.transaction ADD plan text; ALTER TABLE tercet.history ADD plan text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tercet.transaction DROP plan; ALTER TABLE tercet.history DROP plan');
  }
}
