/** Stock that everybody wants at once: three ways to sell it, and the tables that they share. */
import type { MigrationInterface, QueryRunner } from 'typeorm';

export interface HotStock {
  /** Sells one piece; false: none is left. */
  sell(sku: string, customer: string): Promise<boolean>;
}

/** What has to be known before a piece is sold, and takes its time: a limit for each customer, say. */
export type Check = (sku: string, customer: string) => Promise<void>;

export class CreateHotStock1795305600000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- The stock of an item, in one row or spread over several.
      CREATE TABLE hot_stock (
        sku     varchar NOT NULL,
        segment integer NOT NULL,
        pieces  integer NOT NULL CHECK (pieces >= 0),
        PRIMARY KEY (sku, segment)
      )`);
    await runner.query(`
      CREATE TABLE hot_sale (
        id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        sku      varchar NOT NULL,
        customer varchar NOT NULL
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE hot_stock, hot_sale');
  }
}
