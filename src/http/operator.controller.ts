/** What a person on call does; docs/wire.md section 6. */
import { Body, Controller, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { Coordinator } from '../engine/coordinator.js';
import type { Action } from '../engine/operator.js';
import type { Order } from '../engine/timeline.js';
import { transactionView } from '../engine/view.js';
import { bulk, nothing, order } from '../protocol/schema.js';
import type { BulkView, TransactionView } from '../protocol/words.js';
import { validated } from '../protocol/body.js';
import { WhoCalls } from './caller.js';
import type { Caller } from './caller.js';
import { defined, known } from './transactions.controller.js';

@Controller('v1')
export class OperatorController {
  constructor(@Inject(Coordinator) private readonly coordinator: Coordinator) {}

  @Post('transactions/:gid/retry')
  @HttpCode(200)
  retry(
    @Param('gid') gid: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @WhoCalls() caller: Caller,
  ): Promise<TransactionView> {
    return this.act('retry', gid, ordered(body, query, caller), caller);
  }

  @Post('transactions/:gid/park')
  @HttpCode(200)
  park(
    @Param('gid') gid: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @WhoCalls() caller: Caller,
  ): Promise<TransactionView> {
    return this.act('park', gid, ordered(body, query, caller), caller);
  }

  @Post('transactions/:gid/resume')
  @HttpCode(200)
  resume(
    @Param('gid') gid: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @WhoCalls() caller: Caller,
  ): Promise<TransactionView> {
    return this.act('resume', gid, ordered(body, query, caller), caller);
  }

  @Post('transactions/:gid/branches/:branchId/force')
  @HttpCode(200)
  async force(
    @Param('gid') gid: string,
    @Param('branchId') branchId: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @WhoCalls() caller: Caller,
  ): Promise<TransactionView> {
    const given = ordered(body, query, caller);
    return transactionView(await this.coordinator.operator.force(known(gid), branchId, given), caller);
  }

  @Post('bulk')
  @HttpCode(200)
  async bulk(@Body() body: unknown, @Query() query: unknown, @WhoCalls() caller: Caller): Promise<BulkView> {
    validated(nothing, query);
    const { action, filter, reason, dryRun, limit } = validated(bulk, body);
    const given = { action, filter: defined(filter), reason, who: caller.name, dryRun, limit };
    const answer = await this.coordinator.bulk(given);
    const failed = answer.failures.map(({ gid, error: { code, detail } }) => ({ gid, code, detail }));
    return { action, dryRun, matched: answer.matched, more: answer.more, done: answer.done, failed };
  }

  private async act(action: Action, gid: string, given: Order, caller: Caller): Promise<TransactionView> {
    return transactionView(await this.coordinator.operator.act(known(gid), action, given), caller);
  }
}

function ordered(body: unknown, query: unknown, { name }: Caller): Order {
  validated(nothing, query);
  return { who: name, reason: validated(order, body).reason };
}
