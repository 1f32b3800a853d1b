/** The order's own part: it is written down as pending, and becomes placed or refused with everything else. */
import { Cancel, Confirm, TccComponent, Try } from '@tercet/client/nest';
import type { TccCall } from '@tercet/client/nest';
import { Order } from './order.entity.js';

export type Purchase = Pick<Order, 'customer' | 'sku' | 'quantity' | 'total' | 'shipTo'>;

@TccComponent('order')
export class OrderComponent {
  @Try()
  async write({ gid, payload, manager }: TccCall<Purchase>) {
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
