/** Points by HTTP, where there is no Kafka. */
import { Deliver, MessageComponent } from '@tercet/client/nest';
import type { DeliverCall } from '@tercet/client/nest';
import { addPoints } from './book.js';
import type { PaidOrder } from './book.js';

@MessageComponent('points')
export class PointsComponent {
  @Deliver()
  async paid({ payload, manager }: DeliverCall<PaidOrder>) {
    await addPoints(manager, payload);
  }
}
