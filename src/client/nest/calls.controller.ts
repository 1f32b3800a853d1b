/** Where the coordinator calls: checks the call, opens the transaction, lets the fence decide, answers. */
import { Body, Controller, Headers, Inject, Logger, Param, Post, Res, VERSION_NEUTRAL } from '@nestjs/common';
import { HttpAdapterHost, ModuleRef } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { Refused, TercetError } from '../errors.js';
import { fence } from '../fence/fence.js';
import type { FenceAnswer } from '../fence/fence.js';
import { parseCall, timeoutOf } from './call.js';
import type { Headers as CallHeaders } from './call.js';
import { Components } from './components.js';
import type { FoundComponent, Operation } from './components.js';
import type { GuardedOp } from './decorators.js';
import { OPTIONS } from './options.js';
import type { TercetOptions } from './options.js';

interface Answer {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

@Controller({ path: 'tercet', version: VERSION_NEUTRAL })
export class CallsController {
  private readonly logger = new Logger('Tercet');

  constructor(
    @Inject(OPTIONS) private readonly options: TercetOptions,
    @Inject(Components) private readonly components: Components,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
  ) {}

  @Post(':component/:op')
  async call(
    @Param('component') name: string,
    @Param('op') op: string,
    @Headers() headers: CallHeaders,
    @Body() body: unknown,
    @Res() response: unknown,
  ): Promise<void> {
    const { httpAdapter } = this.host;
    const answer = await this.answerTo(name, op, headers, body).catch((error: unknown) =>
      this.failure(error, name, op),
    );
    httpAdapter.setHeader(response, 'content-type', 'application/json');
    for (const [header, value] of Object.entries(answer.headers ?? {})) httpAdapter.setHeader(response, header, value);
    // Written here, not returned: the application's interceptors and filters must not dress it up.
    await httpAdapter.reply(response, JSON.stringify(answer.body), answer.status);
  }

  private async answerTo(name: string, op: string, headers: CallHeaders, body: unknown): Promise<Answer> {
    const component = this.components.get(name);
    const operation = component?.operations.get(op as GuardedOp);
    if (!component || !operation) {
      throw TercetError.of('TERCET_OPERATION_UNKNOWN', `no provider here is the component '${name}' with '${op}'`);
    }
    const call = parseCall(body, headers, name, op);
    const answer = await this.run(component, operation, call, timeoutOf(headers));
    if (answer.kind === 'done') return { status: 200, body: answer.reply };
    const { retryAfterMs } = answer;
    return {
      status: 425,
      body: null,
      ...(retryAfterMs === null ? {} : { headers: { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) } }),
    };
  }

  private run(
    component: FoundComponent,
    operation: Operation,
    call: ReturnType<typeof parseCall>,
    timeoutMs: number | undefined,
  ): Promise<FenceAnswer> {
    const token = component.options.dataSource ?? this.options.dataSource ?? DataSource;
    const dataSource = this.moduleRef.get<DataSource>(token, { strict: false });
    const { gid, branchId, beganAt, attempt, payload, reply } = call;
    const fenced = { gid, branchId, op: call.op, beganAt, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
    return dataSource.transaction('READ COMMITTED', (manager) =>
      fence.run(manager, fenced, () => operation({ gid, branchId, beganAt, attempt, payload, reply, manager })),
    );
  }

  private failure(error: unknown, name: string, op: string): Answer {
    if (error instanceof Refused) return { status: 409, body: { reason: error.reason } };
    if (error instanceof TercetError) {
      if (error.status >= 500) this.logger.error(`${name} ${op}: ${error.message}`);
      return { status: error.status, body: error.problem };
    }
    this.logger.error(`${name} ${op} failed`, error instanceof Error ? error.stack : String(error));
    const told = TercetError.of('TERCET_OPERATION_FAILED', `${op} of '${name}' failed; its log says why`);
    return { status: told.status, body: told.problem };
  }
}
