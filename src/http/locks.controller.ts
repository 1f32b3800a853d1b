/** Who has which lock; docs/wire.md section 9. */
import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { validated } from '../protocol/body.js';
import type { LockView, OneLockView } from '../protocol/locks.js';
import { locks, nothing, order } from '../protocol/schema.js';
import { WhoCalls } from './caller.js';
import type { Caller } from './caller.js';
import { LockDesk } from './locks.js';

@Controller('v1/locks')
export class LocksController {
  constructor(@Inject(LockDesk) private readonly desk: LockDesk) {}

  @Get()
  list(@Query() query: unknown): Promise<{ locks: LockView[] }> {
    const { prefix, limit } = validated(locks, query);
    return this.desk.list(prefix, limit);
  }

  @Get(':name')
  show(@Param('name') name: string, @Query() query: unknown): Promise<OneLockView> {
    validated(nothing, query);
    return this.desk.one(name);
  }

  @Post(':name/release')
  @HttpCode(200)
  release(
    @Param('name') name: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @WhoCalls() { name: who }: Caller,
  ): Promise<LockView> {
    validated(nothing, query);
    return this.desk.release(name, { who, reason: validated(order, body).reason });
  }
}
