import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateOrder1763683200001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE purchase (
        order_id varchar PRIMARY KEY,
        customer varchar NOT NULL,
        sku      varchar NOT NULL,
        quantity integer NOT NULL CHECK (quantity > 0),
        total    integer NOT NULL CHECK (total > 0),
        state    varchar NOT NULL CHECK (state IN ('pending', 'placed', 'refused'))
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE purchase');
  }
}

export class AddShipTo1795219200000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE purchase ADD COLUMN ship_to varchar');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE purchase DROP COLUMN ship_to');
  }
}

export class AddIsPaid1795305600000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE purchase ADD COLUMN is_paid boolean NOT NULL DEFAULT false');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE purchase DROP COLUMN is_paid');
  }
}
