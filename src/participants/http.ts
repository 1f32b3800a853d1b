/** Calls to participants over HTTP; docs/wire.md, section 7. */
import { Pool } from 'undici';
import type { Outcome } from '../domain/transaction.js';
import type { CallRequest, Clock, Component, Participants, PreparedCall } from '../engine/ports.js';
import { HEADERS, LIMITS } from '../protocol/words.js';
import { hostOf, isAddress } from './allow-list.js';
import type { AllowList } from './allow-list.js';
import { outcomeOf } from './answer.js';
import { Breaker } from './breaker.js';
import { Turnstile } from './turnstile.js';

/** How soon a call is asked for again that did not leave because the lease was in doubt. */
const NOT_LEFT_MS = 100;
const KEEP_ALIVE_MS = 30_000;

interface Neighbour {
  readonly breaker: Breaker;
  readonly turnstile: Turnstile;
}

export class HttpParticipants implements Participants {
  private readonly pools = new Map<string, Pool>();
  private readonly neighbours = new Map<string, Neighbour>();

  constructor(
    private readonly allowList: AllowList,
    private readonly clock: Clock,
  ) {}

  async call(request: CallRequest, signal: AbortSignal): Promise<Outcome> {
    const { breaker, turnstile } = this.neighbour(request.component);
    const turn = turnstile.enter();
    if (turn) await turn;
    try {
      const closedInMs = breaker.closedIn();
      if (closedInMs !== null) return { kind: 'postponed', retryAfterMs: closedInMs };
      // Asked after the wait, as close to the call as can be: a lease may have ended meanwhile.
      if (!request.mayLeave()) {
        breaker.forgo();
        return { kind: 'postponed', retryAfterMs: NOT_LEFT_MS };
      }
      const outcome = await this.exchange(request, signal);
      breaker.note(outcome.kind !== 'unknown');
      return outcome;
    } finally {
      turnstile.leave();
    }
  }

  prepare({ tx, branch, op, attempt, component }: Omit<CallRequest, 'mayLeave'>): PreparedCall {
    const quoted = (text: string): string => JSON.stringify(text);
    // Payload and reply are JSON texts already, and go out as they came in.
    const body =
      `{"gid":${quoted(tx.gid)},"branchId":${quoted(branch.branchId)},"op":"${op}","attempt":${attempt},` +
      `"mode":"${tx.mode}","component":${quoted(branch.component)},"beganAt":"${new Date(tx.beganAt).toISOString()}",` +
      `"payload":${branch.payload},"reply":${branch.reply ?? 'null'}}`;
    const headers = {
      'content-type': 'application/json',
      [HEADERS.gid]: tx.gid,
      [HEADERS.branch]: branch.branchId,
      [HEADERS.op]: op,
      [HEADERS.attempt]: String(attempt),
      [HEADERS.timeoutMs]: String(component.timeoutMs),
    };
    return { url: component.targets[op] ?? '', headers, body };
  }

  async close(): Promise<void> {
    await Promise.all([...this.pools.values()].map((pool) => pool.destroy()));
    this.pools.clear();
  }

  private async exchange(request: CallRequest, signal: AbortSignal): Promise<Outcome> {
    const { timeoutMs } = request.component;
    const cut = new AbortController();
    const end = (): void => cut.abort(signal.reason);
    signal.addEventListener('abort', end);
    const cancelTimer = this.clock.after(timeoutMs, () => cut.abort(new Error(`no answer within ${timeoutMs} ms`)));
    try {
      return await this.send(this.prepare(request), cut.signal);
    } catch (error) {
      const cause: unknown = cut.signal.aborted ? cut.signal.reason : error;
      return { kind: 'unknown', detail: described(cause) };
    } finally {
      cancelTimer();
      signal.removeEventListener('abort', end);
    }
  }

  private async send({ url, headers, body }: PreparedCall, signal: AbortSignal): Promise<Outcome> {
    const target = new URL(url);
    const path = target.pathname + target.search;
    const answer = await this.pool(target).request({ path, method: 'POST', headers, body, signal });
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      // Leaving the loop destroys the body, and the connection with it.
      if (bytes > LIMITS.replyBytes)
        return { kind: 'unknown', detail: `answered more than ${LIMITS.replyBytes} bytes` };
      chunks.push(chunk);
    }
    const retryAfter = answer.headers['retry-after'];
    const [only] = chunks;
    const whole = chunks.length === 1 && only ? only : Buffer.concat(chunks);
    return outcomeOf(answer.statusCode, typeof retryAfter === 'string' ? retryAfter : null, whole, this.clock.now());
  }

  private pool(target: URL): Pool {
    const there = this.pools.get(target.origin);
    if (there) return there;
    const host = hostOf(target);
    // An address is never looked up, so it is checked here.
    if (isAddress(host) && !this.allowList.permits(host, host)) throw new Error(`${host} is not on the allow-list`);
    const pool = new Pool(target.origin, {
      connect: { lookup: this.allowList.lookup, keepAlive: true },
      keepAliveTimeout: KEEP_ALIVE_MS,
      // The whole exchange has a timer of its own.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    this.pools.set(target.origin, pool);
    return pool;
  }

  private neighbour(component: Component): Neighbour {
    const there = this.neighbours.get(component.name);
    if (there) {
      there.turnstile.limit = component.concurrency;
      return there;
    }
    const breaker = new Breaker(() => this.clock.monotonic());
    const neighbour = { breaker, turnstile: new Turnstile(component.concurrency) };
    this.neighbours.set(component.name, neighbour);
    return neighbour;
  }
}

function described(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code}: ` : '';
  return `${code}${error.message || (error.cause instanceof Error ? error.cause.message : 'no connection')}`;
}
