import { Body, Controller, Get, HttpCode, NotFoundException, Param, Post } from '@nestjs/common';
import { IDENTIFIER } from '@tercet/client';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { Bills } from './bills.js';
import type { Order } from './order.entity.js';
import { Orders } from './orders.js';
import type { OrderAnswer } from './orders.js';

const MAX_QUANTITY = 1000;

const NewOrder = z.strictObject({
  orderId: z.string().regex(IDENTIFIER).optional(),
  customer: z.string().regex(IDENTIFIER),
  sku: z.string().min(1).max(100),
  quantity: z.int().min(1).max(MAX_QUANTITY),
  /** The city that it is sent to; without one the customer fetches it. */
  shipTo: z.string().min(1).max(100).nullable().default(null),
});

@Controller('orders')
export class OrdersController {
  constructor(
    private readonly orders: Orders,
    private readonly bills: Bills,
  ) {}

  @Post()
  @HttpCode(200)
  place(@Body({ schema: NewOrder }) { orderId, ...order }: z.infer<typeof NewOrder>): Promise<OrderAnswer> {
    return this.orders.place({ orderId: orderId ?? randomUUID(), ...order });
  }

  /** The customer pays: whoever gives points for it, or thanks, is told. */
  @Post(':orderId/pay')
  @HttpCode(204)
  pay(@Param('orderId') orderId: string): Promise<void> {
    return this.bills.pay(orderId);
  }

  @Get()
  list(): Promise<Order[]> {
    return this.orders.list();
  }

  @Get(':orderId')
  async show(@Param('orderId') orderId: string): Promise<Order> {
    const order = await this.orders.find(orderId);
    if (!order) throw new NotFoundException(`no order '${orderId}'`);
    return order;
  }
}
