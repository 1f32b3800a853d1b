import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreatePoints1795305600000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE points (customer varchar PRIMARY KEY, points integer NOT NULL CHECK (points >= 0));
      CREATE TABLE mail (id varchar PRIMARY KEY, customer varchar NOT NULL, text varchar NOT NULL)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE points, mail');
  }
}
