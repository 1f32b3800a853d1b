import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Put, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { AllowList } from '../participants/allow-list.js';
import { HttpParticipants } from '../participants/http.js';
import { TercetError } from '../protocol/errors.js';
import { identifier } from '../protocol/fields.js';
import { component, nothing } from '../protocol/schema.js';
import type { ComponentRequest } from '../protocol/schema.js';
import type { ComponentView } from '../protocol/words.js';
import { PostgresComponents } from '../storage/components.js';
import { Steered } from '../steering/steered.js';
import type { StoredComponent } from '../storage/components.js';
import type { StoredInstance } from '../storage/instances.js';
import { validated } from '../protocol/body.js';
import { componentView } from './component-view.js';

@Controller('v1/components')
export class ComponentsController {
  constructor(
    @Inject(PostgresComponents) private readonly components: PostgresComponents,
    @Inject(HttpParticipants) private readonly participants: HttpParticipants,
    @Inject(AllowList) private readonly allowList: AllowList,
    @Inject(Steered) private readonly steering: Steered,
  ) {}

  @Put(':name')
  async put(
    @Param('name') name: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ComponentView> {
    validated(nothing, query);
    if (!identifier.safeParse(name).success) {
      const message = 'must be 1 to 128 characters of A-Z a-z 0-9 . _ : -, and not . or ..';
      throw new TercetError('TERCET_REQUEST_INVALID', `name: ${message}`, [{ path: 'name', message }]);
    }
    const { url = null, endpoints, version = null, ...rest } = validated(component, body);
    await this.checkTargets(url, endpoints);
    const { created, component: stored } = await this.components.put({ name, url, endpoints, version, ...rest });
    void reply.status(created ? 201 : 200);
    return this.shown(stored);
  }

  @Get()
  async list(@Query() query: unknown): Promise<{ components: ComponentView[] }> {
    validated(nothing, query);
    const instances = await this.components.instances.view(null);
    const components = await this.components.list();
    return { components: components.map((one) => this.view(one, instances.get(one.name))) };
  }

  @Get(':name')
  async get(@Param('name') name: string, @Query() query: unknown): Promise<ComponentView> {
    validated(nothing, query);
    const found = identifier.safeParse(name).success ? await this.components.view(name) : null;
    if (!found) throw unknownComponent(name);
    return this.shown(found);
  }

  @Delete(':name')
  @HttpCode(204)
  async remove(@Param('name') name: string, @Query() query: unknown): Promise<void> {
    validated(nothing, query);
    const result = identifier.safeParse(name).success ? await this.components.remove(name) : 'unknown';
    if (result === 'unknown') throw unknownComponent(name);
    if (result === 'in use') {
      throw new TercetError(
        'TERCET_COMPONENT_IN_USE',
        `unfinished transactions have branches of '${name}'; wait for their end, or look at GET /v1/transactions?component=${name}`,
      );
    }
  }

  private async shown(stored: StoredComponent): Promise<ComponentView> {
    const instances = await this.components.instances.view(stored.name);
    return this.view(stored, instances.get(stored.name));
  }

  private view(stored: StoredComponent, instances: readonly StoredInstance[] | undefined): ComponentView {
    return componentView(stored, instances, this.participants, this.steering);
  }

  private async checkTargets(url: string | null, endpoints: ComponentRequest['endpoints']): Promise<void> {
    if (url !== null) await this.allowList.check(url, 'url');
    for (const [op, endpoint] of Object.entries(endpoints)) await this.allowList.check(endpoint, `endpoints.${op}`);
  }
}

export function unknownComponent(name: string): TercetError {
  return new TercetError('TERCET_COMPONENT_UNKNOWN', `no component '${name.slice(0, 200)}' is registered`);
}
