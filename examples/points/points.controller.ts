/** Points from Kafka: in one transaction with the row of the inbox, so that a repeat adds nothing. */
import { Controller, Get } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { MessageHandler } from '@tercet/client/nest/kafka';
import type { MessageContext } from '@tercet/client/nest/kafka';
import { DataSource } from 'typeorm';
import { addPoints } from './book.js';
import type { PaidOrder } from './book.js';

export const TOPIC = process.env['PAID_TOPIC'] || 'order-paid';

@Controller()
export class PointsController {
  constructor(private readonly dataSource: DataSource) {}

  @MessageHandler(TOPIC)
  async paid(@Payload() order: PaidOrder, @Ctx() { manager }: MessageContext) {
    await addPoints(manager, order);
  }

  @Get('points')
  points(): Promise<{ customer: string; points: number }[]> {
    return this.dataSource.query('SELECT customer, points FROM points ORDER BY customer');
  }

  @Get('mails')
  mails(): Promise<{ id: string; customer: string; text: string }[]> {
    return this.dataSource.query('SELECT id, customer, text FROM mail ORDER BY id');
  }
}
