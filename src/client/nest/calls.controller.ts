/** Where the coordinator calls: checks the call, opens the transaction, lets the fence decide, answers. */
import { Controller, Get, Inject, Logger, Post, Req, Res, VERSION_NEUTRAL } from '@nestjs/common';
import type { ExecutionContext, OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Op, ParticipantCall } from '../../protocol/words.js';
import { Refused, TercetError } from '../errors.js';
import { fence } from '../fence/fence.js';
import type { FenceAnswer } from '../fence/fence.js';
import { parseCall, timeoutOf } from './call.js';
import { Components } from './components.js';
import type { FoundComponent, Operation } from './components.js';
import { Databases } from './databases.js';
import type { GuardedOp } from '../operation.js';
import { Registration } from './registration.js';
import { Signatures } from './signatures.js';
import type { CallRequest } from './signatures.js';

interface Answer {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

@Controller({ path: 'tercet', version: VERSION_NEUTRAL })
export class CallsController implements OnApplicationBootstrap {
  private readonly logger = new Logger('Tercet');

  constructor(
    @Inject(Components) private readonly components: Components,
    @Inject(Registration) private readonly registration: Registration,
    @Inject(Signatures) private readonly signatures: Signatures,
    @Inject(Databases) private readonly databases: Databases,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
  ) {}

  /** @throws Error when a component has no database: better at the start than at the first order */
  onApplicationBootstrap(): void {
    for (const component of this.components.all) this.databases.of(component);
  }

  // The request as it came: the application's pipes must not change a payload.
  @Post(':component/:op')
  async call(@Req() request: CallRequest, @Res() response: unknown): Promise<void> {
    const answer = await this.answerTo(request).catch((error: unknown) => this.failure(error, request));
    await this.reply(response, answer);
  }

  /** For readiness probes: 200 once the coordinator knows where every component is. */
  @Get('ready')
  async ready(@Res() response: unknown): Promise<void> {
    const { problems } = this.registration;
    const isReady = problems.length === 0;
    await this.reply(response, { status: isReady ? 200 : 503, body: { ready: isReady, problems } });
  }

  /** Written here, not returned: the application's interceptors and filters must not dress it up. */
  private async reply(response: unknown, { status, body, headers = {} }: Answer): Promise<void> {
    const { httpAdapter } = this.host;
    httpAdapter.setHeader(response, 'content-type', 'application/json');
    for (const [header, value] of Object.entries(headers)) httpAdapter.setHeader(response, header, value);
    await httpAdapter.reply(response, JSON.stringify(body), status);
  }

  private async answerTo(request: CallRequest): Promise<Answer> {
    const body = this.signatures.bodyOf(request);
    const { component: name, op } = request.params;
    const component = this.components.get(name);
    if (!component?.ops.includes(op as Op)) {
      throw TercetError.of('TERCET_OPERATION_UNKNOWN', `no provider here is the component '${name}' with '${op}'`);
    }
    const call = parseCall(body, request.headers, name, op);
    const timeoutMs = timeoutOf(request.headers);
    const operation = component.operations.get(op as GuardedOp);
    if (!operation) return this.check(component, call, timeoutMs);
    const answer = await this.run(component, operation, call, timeoutMs);
    if (answer.kind === 'done') return { status: 200, body: answer.reply };
    const { retryAfterMs } = answer;
    return {
      status: 425,
      body: null,
      ...(retryAfterMs === null ? {} : { headers: { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) } }),
    };
  }

  /** The fence alone knows. The answer is a value: whatever it is, its transaction commits. */
  private async check(
    component: FoundComponent,
    { gid, beganAt }: ParticipantCall,
    timeoutMs: number | undefined,
  ): Promise<Answer> {
    const message = { gid, beganAt, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
    const answer = await this.databases
      .of(component)
      .transaction('READ COMMITTED', (manager) => fence.check(manager, message));
    return answer.kind === 'committed' ? { status: 200, body: null } : { status: 409, body: { reason: answer.reason } };
  }

  private run(
    component: FoundComponent,
    operation: Operation,
    call: ParticipantCall,
    timeoutMs: number | undefined,
  ): Promise<FenceAnswer> {
    const { gid, branchId, beganAt, attempt, payload, reply } = call;
    const fenced = { gid, branchId, op: call.op, beganAt, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
    return this.databases.of(component).transaction('READ COMMITTED', (manager) =>
      // The coordinator may not have heard what the action answered; the fence has.
      fence.run(manager, fenced, (kept) =>
        operation({ gid, branchId, beganAt, attempt, payload, reply: kept ?? reply, manager }),
      ),
    );
  }

  private failure(error: unknown, { params: { component: name, op } }: CallRequest): Answer {
    if (error instanceof Refused) return { status: 409, body: { reason: error.reason } };
    if (error instanceof TercetError) {
      if (error.status >= 500) this.logger.error(`${name} ${op}: ${error.message}`);
      if (error.status === 401) this.logger.warn(`${name} ${op}: ${error.message}`);
      return { status: error.status, body: error.problem };
    }
    this.logger.error(`${name} ${op} failed`, error instanceof Error ? error.stack : String(error));
    const told = TercetError.of('TERCET_OPERATION_FAILED', `${op} of '${name}' failed; its log says why`);
    return { status: told.status, body: told.problem };
  }
}

/** Whether a request is a call of the coordinator, or its probe; for guards that must let these through. */
export function isTercetCall(context: ExecutionContext): boolean {
  return context.getClass() === CallsController;
}
