import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateAccount1763683200001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE account (
        id      varchar PRIMARY KEY,
        balance integer NOT NULL,
        held    integer NOT NULL DEFAULT 0 CHECK (held BETWEEN 0 AND balance)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE account');
  }
}
