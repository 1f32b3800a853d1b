/** What the inventory does for an order: reserve the goods, then hand them out or put them back. */
import { Inject } from '@nestjs/common';
import { Refused } from '@tercet/client';
import { TercetConfig } from '@tercet/client/config';
import { Cancel, Confirm, TccComponent, Try } from '@tercet/client/nest';
import type { TccCall } from '@tercet/client/nest';
import { Item } from './item.entity.js';
import type { InventoryConfig } from './limits.js';

export interface Goods {
  sku: string;
  quantity: number;
}

@TccComponent('inventory')
export class InventoryComponent {
  constructor(@Inject(TercetConfig) private readonly config: InventoryConfig) {}

  @Try()
  async reserve({ payload, manager }: TccCall<Goods>) {
    const { sku, quantity } = payload;
    const { mostPerOrder } = this.config.get('inventory');
    if (mostPerOrder !== null && quantity > mostPerOrder)
      throw new Refused(`one order gets ${mostPerOrder} of an item at most`);
    const { affected } = await manager
      .createQueryBuilder()
      .update(Item)
      .set({ reserved: () => 'reserved + :quantity' })
      .where('sku = :sku AND stock - reserved >= :quantity', { sku, quantity })
      .execute();
    if (affected === 1) return { reserved: quantity };
    const isKnown = await manager.existsBy(Item, { sku });
    throw new Refused(isKnown ? 'out of stock' : `no item '${sku}'`);
  }

  @Confirm()
  async handOut({ payload, manager }: TccCall<Goods>) {
    const { sku, quantity } = payload;
    await manager.decrement(Item, { sku }, 'reserved', quantity);
    await manager.decrement(Item, { sku }, 'stock', quantity);
  }

  @Cancel()
  async putBack({ payload, manager }: TccCall<Goods>) {
    await manager.decrement(Item, { sku: payload.sku }, 'reserved', payload.quantity);
  }
}
