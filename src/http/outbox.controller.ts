/** What waits for Kafka, and what a person decides of what Kafka refused; docs/wire.md section 6. */
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { dead, nothing, order, requeue } from '../protocol/schema.js';
import type { DeadLetterView, OutboxView } from '../protocol/outbox.js';
import { validated } from '../protocol/body.js';
import { WhoCalls } from './caller.js';
import type { Caller } from './caller.js';
import { Outbox } from './outbox.js';

@Controller('v1/outbox')
export class OutboxController {
  constructor(@Inject(Outbox) private readonly outbox: Outbox) {}

  @Get()
  show(@Query() query: unknown): Promise<OutboxView> {
    validated(nothing, query);
    return this.outbox.view();
  }

  @Get('dead')
  dead(@Query() query: unknown): Promise<{ messages: DeadLetterView[]; next: string | null }> {
    const { limit, after } = validated(dead, query);
    return this.outbox.dead(limit, after);
  }

  @Post('dead/:id/requeue')
  @HttpCode(200)
  requeue(
    @Param('id') id: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @WhoCalls() { name: who }: Caller,
  ): Promise<DeadLetterView> {
    validated(nothing, query);
    const { at, reason } = validated(requeue, body);
    return this.outbox.requeue(id, at, { who, reason });
  }

  @Delete('dead/:id')
  @HttpCode(204)
  async drop(@Param('id') id: string, @Query() query: unknown, @WhoCalls() { name: who }: Caller): Promise<void> {
    const { reason } = validated(order, query);
    await this.outbox.drop(id, { who, reason });
  }
}
