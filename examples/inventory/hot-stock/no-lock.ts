/** No lock: the database is asked for a piece that is there, and answers. The row is locked for as long as that takes. */
import type { DataSource } from 'typeorm';
import type { Check, HotStock } from './hot-stock.js';

export class NoLock implements HotStock {
  constructor(
    private readonly dataSource: DataSource,
    private readonly check: Check,
  ) {}

  async sell(sku: string, customer: string): Promise<boolean> {
    await this.check(sku, customer);
    const sold = await this.dataSource.query<unknown[]>(
      `WITH taken AS (
         UPDATE hot_stock SET pieces = pieces - 1 WHERE sku = $1 AND segment = 0 AND pieces > 0 RETURNING sku
       )
       INSERT INTO hot_sale (sku, customer) SELECT sku, $2 FROM taken RETURNING id`,
      [sku, customer],
    );
    return sold.length > 0;
  }
}
