/** What the inventory does for an order that is sent: take the goods off the shelf, or put them back. */
import { Inject } from '@nestjs/common';
import { Refused } from '@tercet/client';
import { TercetConfig } from '@tercet/client/config';
import { Action, Compensate, SagaComponent } from '@tercet/client/nest';
import type { SagaCall } from '@tercet/client/nest';
import type { Goods } from './inventory.component.js';
import { Item } from './item.entity.js';
import type { InventoryConfig } from './limits.js';

@SagaComponent('goods')
export class GoodsComponent {
  constructor(@Inject(TercetConfig) private readonly config: InventoryConfig) {}

  @Action()
  async take({ payload, manager }: SagaCall<Goods>) {
    const { sku, quantity } = payload;
    const { mostPerOrder } = this.config.get('inventory');
    if (mostPerOrder !== null && quantity > mostPerOrder)
      throw new Refused(`one order gets ${mostPerOrder} of an item at most`);
    const { affected } = await manager
      .createQueryBuilder()
      .update(Item)
      .set({ stock: () => 'stock - :quantity' })
      .where('sku = :sku AND stock - reserved >= :quantity', { sku, quantity })
      .execute();
    if (affected === 1) return;
    const isKnown = await manager.existsBy(Item, { sku });
    throw new Refused(isKnown ? 'out of stock' : `no item '${sku}'`);
  }

  @Compensate()
  async putBack({ payload, manager }: SagaCall<Goods>) {
    await manager.increment(Item, { sku: payload.sku }, 'stock', payload.quantity);
  }
}
