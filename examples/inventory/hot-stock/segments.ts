/** The stock in several rows, each with a lock of its own: as many sell at once as there are segments. */
import { NOTHING_HERE, SegmentedLock } from '@tercet/client';
import type { LockOptions, Locks } from '@tercet/client';
import type { DataSource } from 'typeorm';
import { guardedSale } from './guarded-sale.js';
import type { Check, HotStock } from './hot-stock.js';

export class Segments implements HotStock {
  constructor(
    private readonly dataSource: DataSource,
    private readonly locks: Locks<'correctness'>,
    private readonly count: number,
    private readonly check: Check,
    private readonly options: LockOptions = {},
  ) {}

  async sell(sku: string, customer: string): Promise<boolean> {
    const stocked = await this.dataSource.query<{ segment: number }[]>(
      'SELECT segment FROM hot_stock WHERE sku = $1 AND pieces > 0',
      [sku],
    );
    if (stocked.length === 0) return false;
    const lock = new SegmentedLock(this.locks, `hot:${sku}`, this.count);
    // Read without a lock, so it says where to look first, and no more.
    const prefer = stocked.map(({ segment }) => segment);
    const sold = await lock.run({ ...this.options, prefer }, async ({ segment, ...held }) => {
      const isSold = await guardedSale(this.dataSource, { sku, segment, customer }, held, this.check);
      return isSold || NOTHING_HERE;
    });
    return sold !== NOTHING_HERE;
  }
}
