/** The order's own part: it is written down as pending, and becomes placed or refused with everything else. */
import { Inject } from '@nestjs/common';
import { Refused } from '@tercet/client';
import { TercetConfig } from '@tercet/client/config';
import { Cancel, Confirm, TccComponent, Try } from '@tercet/client/nest';
import type { TccCall } from '@tercet/client/nest';
import type { OrderConfig } from './limits.js';
import { Order } from './order.entity.js';

export type Purchase = Pick<Order, 'customer' | 'sku' | 'quantity' | 'total' | 'shipTo'>;

@TccComponent('order')
export class OrderComponent {
  constructor(@Inject(TercetConfig) private readonly config: OrderConfig) {}

  @Try()
  async write({ gid, payload, manager }: TccCall<Purchase>) {
    const { mostItems } = this.config.get('order');
    if (payload.quantity > mostItems) throw new Refused(`more than ${mostItems} pieces in one order`);
    await manager.insert(Order, { orderId: gid, ...payload, state: 'pending' });
  }

  @Confirm()
  async place({ gid, manager }: TccCall<Purchase>) {
    await manager.update(Order, { orderId: gid }, { state: 'placed' });
  }

  @Cancel()
  async refuse({ gid, manager }: TccCall<Purchase>) {
    await manager.update(Order, { orderId: gid }, { state: 'refused' });
  }
}
