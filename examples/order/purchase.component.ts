/** The order's own parts in a saga. First it is written down as pending; when nothing can fail any more, it is placed. */
import { Action, Compensate, SagaComponent } from '@tercet/client/nest';
import type { SagaCall } from '@tercet/client/nest';
import type { Purchase } from './order.component.js';
import { Order } from './order.entity.js';

@SagaComponent('purchase')
export class PurchaseComponent {
  @Action()
  async write({ gid, payload, manager }: SagaCall<Purchase>) {
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
