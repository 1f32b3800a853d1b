/** What instances get, what they say of it, and who changed what; docs/wire.md section 10. */
import { Body, Controller, Get, Headers, HttpCode, Inject, Param, Put, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ConfigCenter } from '../config-center/center.js';
import { validated } from '../protocol/body.js';
import type { ConfigAuditView, ConfigNodeView } from '../protocol/config.js';
import { auditPage, report, values } from '../protocol/config-schema.js';
import { TercetError } from '../protocol/errors.js';
import { instanceName, nothing } from '../protocol/schema.js';
import { WhoCalls } from './caller.js';
import type { Caller } from './caller.js';
import { ConfigValues } from './config-values.js';
import { inPath } from './config.controller.js';

/** RFC 7240 */
const MINIMAL = /(^|[,;\s])return="?minimal"?($|[,;\s])/i;

@Controller('v1/config/:environment')
export class ConfigValuesController {
  constructor(
    @Inject(ConfigCenter) private readonly center: ConfigCenter,
    @Inject(ConfigValues) private readonly desk: ConfigValues,
  ) {}

  /** The text of a ValuesView, made before. */
  @Get('values')
  async values(
    @Param('environment') environment: string,
    @Query() query: unknown,
    @Headers('prefer') prefer: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
    @WhoCalls() caller: Caller,
  ): Promise<string | undefined> {
    const asked = validated(values, query);
    inPath(environment);
    if (asked.secrets === 'plain' && !caller.mayFor('config-reader', environment)) {
      throw mayNotRead(environment, caller);
    }
    const left = new Promise<void>((resolve) => void reply.raw.once('close', resolve));
    const answer = await this.desk.of({ ...asked, environment, isMinimal: MINIMAL.test(prefer ?? '') }, left);
    if (answer === null) {
      void reply.status(204);
      return undefined;
    }
    void reply.type('application/json; charset=utf-8');
    return answer;
  }

  @Put('nodes/:instance')
  @HttpCode(204)
  async report(
    @Param('environment') environment: string,
    @Param('instance') instance: string,
    @Body() body: unknown,
    @Query() query: unknown,
  ): Promise<void> {
    validated(nothing, query);
    validated(instanceName, { instance });
    await this.center.report(inPath(environment), instance, validated(report, body));
  }

  @Get('nodes')
  nodes(@Param('environment') environment: string, @Query() query: unknown): Promise<{ nodes: ConfigNodeView[] }> {
    validated(nothing, query);
    return this.center.nodes(inPath(environment));
  }

  @Get('audit')
  audit(
    @Param('environment') environment: string,
    @Query() query: unknown,
  ): Promise<{ entries: ConfigAuditView[]; next: number | null }> {
    const { limit, before = null } = validated(auditPage, query);
    return this.center.audit(inPath(environment), { limit, before });
  }
}

function mayNotRead(environment: string, { name }: Caller): TercetError {
  return new TercetError(
    'TERCET_CONFIG_SECRET_FORBIDDEN',
    `the key '${name}' may not read the secrets of '${environment}'; it needs config-reader=${environment}, or ask ` +
      'with secrets=masked',
  );
}
