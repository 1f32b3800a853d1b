/**
 * The courier is booked, or the booking is cancelled. There is nothing to hold here: a courier comes or does not come.
 * That is why an order that is sent is a saga.
 */
import { Refused } from '@tercet/client';
import { Action, Compensate, SagaComponent } from '@tercet/client/nest';
import type { SagaCall } from '@tercet/client/nest';
import { Shipment } from './shipment.entity.js';

export type Parcel = Omit<Shipment, 'orderId'>;

const COURIER_GOES_TO = ['Lisbon', 'Oslo', 'Vienna'];

@SagaComponent('shipment')
export class ShipmentComponent {
  @Action()
  async book({ gid, payload, manager }: SagaCall<Parcel>) {
    const { city } = payload;
    if (!COURIER_GOES_TO.includes(city)) throw new Refused(`no courier goes to ${city}`);
    await manager.insert(Shipment, { ...payload, orderId: gid });
  }

  @Compensate()
  async cancel({ gid, manager }: SagaCall<Parcel>) {
    await manager.delete(Shipment, { orderId: gid });
  }
}
