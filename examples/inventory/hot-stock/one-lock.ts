/** One lock for all of an item's stock: right, easy to read, and everybody waits for everybody. */
import type { LockOptions, Locks } from '@tercet/client';
import type { DataSource } from 'typeorm';
import { guardedSale } from './guarded-sale.js';
import type { Check, HotStock } from './hot-stock.js';

export class OneLock implements HotStock {
  constructor(
    private readonly dataSource: DataSource,
    private readonly locks: Locks<'correctness'>,
    private readonly check: Check,
    private readonly options: LockOptions = {},
  ) {}

  sell(sku: string, customer: string): Promise<boolean> {
    return this.locks.run(`hot:${sku}`, this.options, (held) =>
      guardedSale(this.dataSource, { sku, segment: 0, customer }, held, this.check),
    );
  }
}
