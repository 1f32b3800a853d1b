/** One piece out of one row, by whoever holds the lock of that row. */
import { guard } from '@tercet/client';
import type { FencingToken } from '@tercet/client';
import type { DataSource } from 'typeorm';
import type { Check } from './hot-stock.js';

export interface Sale {
  readonly sku: string;
  readonly segment: number;
  readonly customer: string;
}

/**
 * Reads, thinks, writes: between the first and the last nobody else may do the same, hence the lock. And where this process
 * stood still for so long that somebody else has the lock by now, `guard` throws, and nothing is written.
 *
 * @returns false: the row is empty
 */
export async function guardedSale(
  dataSource: DataSource,
  { sku, segment, customer }: Sale,
  lock: { readonly name: string; readonly token: FencingToken },
  check: Check,
): Promise<boolean> {
  const [row] = await dataSource.query<{ pieces: number }[]>(
    'SELECT pieces FROM hot_stock WHERE sku = $1 AND segment = $2',
    [sku, segment],
  );
  if (!row || row.pieces === 0) return false;
  await check(sku, customer);
  await dataSource.transaction(async (manager) => {
    await guard(manager, lock);
    await manager.query(
      `WITH taken AS (UPDATE hot_stock SET pieces = $3 WHERE sku = $1 AND segment = $2)
       INSERT INTO hot_sale (sku, customer) VALUES ($1, $4)`,
      [sku, segment, row.pieces - 1, customer],
    );
  });
  return true;
}
