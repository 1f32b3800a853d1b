/** Namespaces, their drafts, and who edits them; docs/wire.md section 10. */
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ConfigCenter } from '../config-center/center.js';
import { payloadText, validated } from '../protocol/body.js';
import { CONFIG_LIMITS, ENVIRONMENT_NAME, NAMESPACE_NAME } from '../protocol/config.js';
import type {
  ConfigContent,
  ConfigEnvironmentView,
  DraftView,
  EditLockView,
  NamespaceSummary,
  NamespaceView,
} from '../protocol/config.js';
import {
  draftDrop,
  draftPut,
  lockGive,
  lockRenew,
  lockTake,
  namespaceNames,
  namespacePut,
} from '../protocol/config-schema.js';
import { nothing, order } from '../protocol/schema.js';
import type { Json } from '../protocol/words.js';
import { WhoCalls } from './caller.js';
import type { Caller } from './caller.js';
import { unknownEnvironment, unknownNamespace } from './config-values.js';

@Controller('v1')
export class ConfigController {
  constructor(@Inject(ConfigCenter) private readonly center: ConfigCenter) {}

  @Get('config')
  environments(@Query() query: unknown): Promise<{ environments: ConfigEnvironmentView[] }> {
    validated(nothing, query);
    return this.center.environments();
  }

  @Get('config/:environment/namespaces')
  namespaces(
    @Param('environment') environment: string,
    @Query() query: unknown,
  ): Promise<{ namespaces: NamespaceSummary[] }> {
    validated(nothing, query);
    return this.center.namespaces(inPath(environment));
  }

  @Get('config/:environment/namespaces/:namespace')
  namespace(
    @Param('environment') environment: string,
    @Param('namespace') namespace: string,
    @Query() query: unknown,
  ): Promise<NamespaceView> {
    validated(nothing, query);
    return this.center.namespace(...bothInPath(environment, namespace));
  }

  @Put('config/:environment/namespaces/:namespace')
  async put(
    @Param('environment') environment: string,
    @Param('namespace') namespace: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
    @WhoCalls() caller: Caller,
  ): Promise<NamespaceView> {
    validated(nothing, query);
    // It would be made, so it is told what it may be called.
    validated(namespaceNames, { environment, namespace });
    const { schema, ...rest } = validated(namespacePut, body);
    payloadText(schema, 'schema', CONFIG_LIMITS.schemaBytes);
    const asked = { ...rest, schema: schema as Json | undefined };
    const mayRead = caller.mayFor('config-reader', environment);
    const { created, view } = await this.center.put(environment, namespace, asked, caller.name, mayRead);
    void reply.status(created ? 201 : 200);
    return view;
  }

  @Put('config/:environment/namespaces/:namespace/draft')
  writeDraft(
    @Param('environment') environment: string,
    @Param('namespace') namespace: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @WhoCalls() caller: Caller,
  ): Promise<DraftView> {
    validated(nothing, query);
    const names = bothInPath(environment, namespace);
    const { content, ...rest } = validated(draftPut, body);
    payloadText(content, 'content', CONFIG_LIMITS.contentBytes);
    const mayRead = caller.mayFor('config-reader', environment);
    return this.center.writeDraft(...names, { ...rest, content: content as ConfigContent }, caller.name, mayRead);
  }

  @Delete('config/:environment/namespaces/:namespace/draft')
  @HttpCode(204)
  async dropDraft(
    @Param('environment') environment: string,
    @Param('namespace') namespace: string,
    @Query() query: unknown,
    @WhoCalls() { name: who }: Caller,
  ): Promise<void> {
    const asked = validated(draftDrop, query);
    await this.center.dropDraft(...bothInPath(environment, namespace), asked, who);
  }

  @Post('config/:environment/namespaces/:namespace/lock')
  @HttpCode(200)
  lock(
    @Param('environment') environment: string,
    @Param('namespace') namespace: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @WhoCalls() { name: who }: Caller,
  ): Promise<EditLockView> {
    validated(nothing, query);
    const { ttlMs } = validated(lockTake, body);
    return this.center.lock(...bothInPath(environment, namespace), ttlMs, who);
  }

  @Post('config/:environment/namespaces/:namespace/lock/renew')
  @HttpCode(200)
  renew(
    @Param('environment') environment: string,
    @Param('namespace') namespace: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @WhoCalls() { name: who }: Caller,
  ): Promise<EditLockView> {
    validated(nothing, query);
    return this.center.renew(...bothInPath(environment, namespace), validated(lockRenew, body), who);
  }

  @Delete('config/:environment/namespaces/:namespace/lock')
  @HttpCode(204)
  async unlock(
    @Param('environment') environment: string,
    @Param('namespace') namespace: string,
    @Query() query: unknown,
  ): Promise<void> {
    const asked = validated(lockGive, query);
    await this.center.unlock(...bothInPath(environment, namespace), asked);
  }

  @Post('config-keys/rotate')
  @HttpCode(200)
  async rotate(
    @Body() body: unknown,
    @Query() query: unknown,
    @WhoCalls() { name: who }: Caller,
  ): Promise<{ wrapped: number }> {
    validated(nothing, query);
    return { wrapped: await this.center.rotate(validated(order, body).reason, who) };
  }
}

/** A name in a path that could not be one names nothing. */
export function inPath(environment: string): string {
  if (ENVIRONMENT_NAME.test(environment)) return environment;
  throw unknownEnvironment(environment);
}

function bothInPath(environment: string, namespace: string): [string, string] {
  inPath(environment);
  if (NAMESPACE_NAME.test(namespace)) return [environment, namespace];
  throw unknownNamespace(environment, namespace);
}
