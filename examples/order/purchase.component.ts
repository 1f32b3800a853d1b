/** The order's own parts in a saga. First it is written down as pending; when nothing can fail any more, it is placed. */
import { Inject } from '@nestjs/common';
import { Refused } from '@tercet/client';
import { TercetConfig } from '@tercet/client/config';
import { Action, Compensate, SagaComponent } from '@tercet/client/nest';
import type { SagaCall } from '@tercet/client/nest';
import type { OrderConfig } from './limits.js';
import type { Purchase } from './order.component.js';
import { Order } from './order.entity.js';

@SagaComponent('purchase')
export class PurchaseComponent {
  constructor(@Inject(TercetConfig) private readonly config: OrderConfig) {}

  @Action()
  async write({ gid, payload, manager }: SagaCall<Purchase>) {
    const { mostItems } = this.config.get('order');
    if (payload.quantity > mostItems) throw new Refused(`more than ${mostItems} pieces in one order`);
    await manager.insert(Order, { orderId: gid, ...payload, state: 'pending' });
  }

  @Compensate()
  async refuse({ gid, manager }: SagaCall<Purchase>) {
    await manager.update(Order, { orderId: gid }, { state: 'refused' });
  }
}

/** It comes after the point of no return, so it has no compensation. */
@SagaComponent('approval')
export class ApprovalComponent {
  @Action()
  async place({ gid, manager }: SagaCall) {
    await manager.update(Order, { orderId: gid }, { state: 'placed' });
  }
}
