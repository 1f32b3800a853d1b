/** The customers' points. Adding twice would be wrong: fence and inbox see to it that nobody does. */
import type { EntityManager } from 'typeorm';

/** What the order service says of an order that is paid. */
export interface PaidOrder {
  readonly customer: string;
  /** In cents. */
  readonly total: number;
}

const CENTS_PER_POINT = 100;

export async function addPoints(manager: Pick<EntityManager, 'query'>, { customer, total }: PaidOrder): Promise<void> {
  await manager.query(
    `INSERT INTO points (customer, points) VALUES ($1, $2)
     ON CONFLICT (customer) DO UPDATE SET points = points.points + excluded.points`,
    [customer, Math.floor(total / CENTS_PER_POINT)],
  );
}
