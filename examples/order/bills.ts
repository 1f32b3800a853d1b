/** An order that is paid: that it is, and that others are told of it, happens together or not at all. */
import { ConflictException, Injectable } from '@nestjs/common';
import { MessageComponent, Messages } from '@tercet/client/nest';
import type { DeliveryRequest } from '@tercet/client';
import { DataSource } from 'typeorm';
import { Order } from './order.entity.js';

const TOPIC = process.env['PAID_TOPIC'] || 'order-paid';
/** How long after the begin the coordinator asks, if this service says nothing. */
const CHECK = { afterMs: 1000, intervalMs: 1000 };

@Injectable()
@MessageComponent('bill')
export class Bills {
  constructor(
    private readonly messages: Messages,
    private readonly dataSource: DataSource,
  ) {}

  /** @throws ConflictException unless the order is placed and not paid yet; nobody is told then */
  async pay(orderId: string): Promise<void> {
    const order = await this.dataSource.getRepository(Order).findOneBy({ orderId });
    const { customer = '', total = 0 } = order ?? {};
    const gid = `${orderId}-paid`;
    const text = `${orderId} is paid, thank you`;
    const deliveries = [
      pointsFor(customer, total),
      { branchId: 'mail', component: 'mail', payload: { customer, text } },
    ];
    await this.messages.inTransaction({ gid, businessKey: customer, check: CHECK, deliveries }, async (manager) => {
      const { affected } = await manager.update(Order, { orderId, state: 'placed', isPaid: false }, { isPaid: true });
      // What throws here rolls both back.
      if (affected !== 1) throw new ConflictException(`order '${orderId}' is not one that can be paid`);
    });
  }
}

/** To Kafka where there is one, else straight to the service. */
function pointsFor(customer: string, total: number): DeliveryRequest {
  const payload = { customer, total };
  if (!process.env['KAFKA_BROKERS']) return { branchId: 'points', component: 'points', payload };
  return { branchId: 'points', topic: TOPIC, key: customer, payload };
}
