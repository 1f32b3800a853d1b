import { Body, Controller, Delete, HttpCode, Inject, Param, Put, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { AllowList } from '../participants/allow-list.js';
import { HttpParticipants } from '../participants/http.js';
import { TercetError } from '../protocol/errors.js';
import { identifier } from '../protocol/fields.js';
import { instance, instanceName, nothing } from '../protocol/schema.js';
import type { InstanceView } from '../protocol/words.js';
import { PostgresComponents } from '../storage/components.js';
import { validated } from '../protocol/body.js';
import { instanceView } from './component-view.js';
import { unknownComponent } from './components.controller.js';

@Controller('v1/components/:name/instances')
export class InstancesController {
  constructor(
    @Inject(PostgresComponents) private readonly components: PostgresComponents,
    @Inject(HttpParticipants) private readonly participants: HttpParticipants,
    @Inject(AllowList) private readonly allowList: AllowList,
  ) {}

  /** One heartbeat; the first one makes the instance. */
  @Put(':instance')
  async put(
    @Param('name') name: string,
    @Param('instance') given: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<InstanceView> {
    validated(nothing, query);
    const { instance: called } = validated(instanceName, { instance: given });
    const { url, ttlMs } = validated(instance, body);
    if (!identifier.safeParse(name).success) throw unknownComponent(name);
    await this.allowList.check(url, 'url');
    const beat = await this.components.instances.beat(name, called, url, ttlMs);
    if (!beat) throw unknownComponent(name);
    void reply.status(beat.created ? 201 : 200);
    return instanceView(name, beat.instance, this.participants);
  }

  @Delete(':instance')
  @HttpCode(204)
  async remove(@Param('name') name: string, @Param('instance') given: string, @Query() query: unknown): Promise<void> {
    validated(nothing, query);
    const isName = identifier.safeParse(name).success && identifier.safeParse(given).success;
    if (isName && (await this.components.instances.remove(name, given))) return;
    const shown = `'${given.slice(0, 200)}' of '${name.slice(0, 200)}'`;
    throw new TercetError('TERCET_INSTANCE_UNKNOWN', `there is no instance ${shown}; it signed off, or never was`);
  }
}
