import { Body, Controller, Get, Headers, Inject, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Coordinator } from '../engine/coordinator.js';
import type { Answered, Waiting } from '../engine/waiting.js';
import { branchView, eventView, transactionView } from '../engine/view.js';
import { TercetError } from '../protocol/errors.js';
import { begin } from '../protocol/begin.js';
import { identifier } from '../protocol/fields.js';
import { abort, list, look, nothing, registerBranch, submit } from '../protocol/schema.js';
import type { TimelineView, TransactionView, Wait } from '../protocol/words.js';
import { requestOf } from '../protocol/begin-request.js';
import { payloadText, validated } from '../protocol/body.js';
import { WhoCalls } from './caller.js';
import type { Caller } from './caller.js';

@Controller('v1/transactions')
export class TransactionsController {
  constructor(@Inject(Coordinator) private readonly coordinator: Coordinator) {}

  @Post()
  async begin(
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('traceparent') traceparent: string | undefined,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
    @WhoCalls() caller: Caller,
  ): Promise<TransactionView> {
    validated(nothing, query);
    const asked = validated(begin, body);
    const gid = gidOf(asked, key);
    const request = { ...requestOf(asked, body), gid, traceparent };
    const wait = asked.wait ?? (asked.drive === 'initiator' ? 'accepted' : 'decided');
    const answer = await this.coordinator.begin(request, waiting(wait, asked.waitMs, reply));
    void reply.header('location', `/v1/transactions/${encodeURIComponent(answer.tx.gid)}`);
    return answered(answer, answer.begun ? 201 : 200, reply, caller);
  }

  @Get()
  async list(
    @Query() query: unknown,
    @WhoCalls() caller: Caller,
  ): Promise<{ transactions: TransactionView[]; next: string | null }> {
    const { items, next } = await this.coordinator.list(defined(validated(list, query)));
    return { transactions: items.map((tx) => transactionView(tx, caller)), next };
  }

  @Get(':gid')
  async get(
    @Param('gid') gid: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
    @WhoCalls() caller: Caller,
  ): Promise<TransactionView> {
    const { wait, waitMs } = validated(look, query);
    const tx = await this.coordinator.get(known(gid), wait ? waiting(wait, waitMs, reply) : null);
    return transactionView(tx, caller);
  }

  @Get(':gid/timeline')
  async timeline(
    @Param('gid') gid: string,
    @Query() query: unknown,
    @WhoCalls() caller: Caller,
  ): Promise<TimelineView> {
    validated(nothing, query);
    const events = await this.coordinator.timeline(known(gid));
    return { gid, events: events.map((event) => eventView(event, caller)) };
  }

  @Post(':gid/branches')
  async register(
    @Param('gid') gid: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
    @WhoCalls() caller: Caller,
  ) {
    validated(nothing, query);
    const { branchId, component, payload } = validated(registerBranch, body);
    const asked = { branchId, component, payload: payloadText(payload, 'payload') };
    const { branch, registered, call } = await this.coordinator.register(known(gid), asked);
    void reply.status(registered ? 201 : 200);
    return { gid, ...branchView(branch, caller), call };
  }

  @Post(':gid/submit')
  async submit(
    @Param('gid') gid: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
    @WhoCalls() caller: Caller,
  ): Promise<TransactionView> {
    validated(nothing, query);
    const { reason = '', by, wait, waitMs } = validated(submit, body);
    if (!caller.may(by ?? 'initiator')) throw mayNotDecide('submit', by ?? 'initiator', caller);
    const order = by ? { who: caller.name, reason } : null;
    const answer = await this.coordinator.submit(known(gid), waiting(wait, waitMs, reply), order);
    return answered(answer, 200, reply, caller);
  }

  @Post(':gid/abort')
  async abort(
    @Param('gid') gid: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
    @WhoCalls() caller: Caller,
  ): Promise<TransactionView> {
    validated(nothing, query);
    const { reason = null, by = 'initiator', wait, waitMs } = validated(abort, body);
    if (!caller.may(by)) throw mayNotDecide('abort', by, caller);
    const order = by === 'operator' ? { who: caller.name, reason: reason ?? '' } : null;
    const answer = await this.coordinator.abort(known(gid), reason, waiting(wait, waitMs, reply), order);
    return answered(answer, 200, reply, caller);
  }
}

/** A gid in a path that could not be one names no transaction. */
export function known(gid: string): string {
  if (identifier.safeParse(gid).success) return gid;
  throw new TercetError(
    'TERCET_TRANSACTION_UNKNOWN',
    `'${gid.slice(0, 200)}' cannot be a gid, so there is no such transaction`,
  );
}

/** So that nobody's decision passes for somebody else's. */
function mayNotDecide(what: 'submit' | 'abort', by: 'initiator' | 'operator', { name, roles }: Caller): TercetError {
  const has = [...roles].join(', ');
  const as = by === 'operator' ? 'an operator' : 'an initiator (the default of `by`)';
  return new TercetError('TERCET_ROLE_FORBIDDEN', `to ${what} as ${as} needs that role; the key '${name}' has ${has}`);
}

function gidOf({ gid }: { gid?: string | undefined }, key: string | undefined): string | null {
  if (key === undefined) return gid ?? null;
  const refuse = (message: string): never => {
    throw new TercetError('TERCET_REQUEST_INVALID', `Idempotency-Key: ${message}`, [
      { path: 'Idempotency-Key', message },
    ]);
  };
  if (!identifier.safeParse(key).success) refuse('must be what a gid may be: A-Z a-z 0-9 . _ : -, at most 128');
  if (gid !== undefined && gid !== key) refuse(`differs from the gid '${gid}'; give one of the two`);
  return key;
}

/** Waits as long as the asker listens. */
function waiting(until: Wait, ms: number, reply: FastifyReply): Waiting {
  return { until, ms, left: new Promise((resolve) => reply.raw.once('close', resolve)) };
}

function answered({ tx, reached }: Answered, status: number, reply: FastifyReply, caller: Caller): TransactionView {
  void reply.status(reached ? status : 202);
  return transactionView(tx, caller);
}

/** Without the fields that were not given. */
export function defined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
