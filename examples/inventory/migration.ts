import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateItem1763683200001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE item (
        sku      varchar PRIMARY KEY,
        stock    integer NOT NULL,
        reserved integer NOT NULL DEFAULT 0 CHECK (reserved BETWEEN 0 AND stock),
        price    integer NOT NULL CHECK (price > 0)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE item');
  }
}

export class CreateShipment1795219200000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE shipment (
        order_id varchar PRIMARY KEY,
        city     varchar NOT NULL,
        receipt  varchar NOT NULL
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE shipment');
  }
}
