/** Calls to participants over HTTP; docs/wire.md, section 7. */
import { createHash, randomBytes } from 'node:crypto';
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
/** Said by a service, or by a proxy before it, that cannot work now. Any other answer comes from one that can. */
const OVERLOADED: ReadonlySet<number> = new Set([429, 502, 503, 504]);

interface Exchange {
  readonly outcome: Outcome;
  /** What the circuit breaker counts: one bad payload, answered with 500, says nothing about the others. */
  readonly isAlive: boolean;
}

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
      if (signal.aborted) return { kind: 'unknown', detail: described(signal.reason) };
      const pass = breaker.enter();
      if (typeof pass === 'number') return { kind: 'postponed', retryAfterMs: pass };
      // Asked after the wait, as close to the call as can be: a lease may have ended meanwhile.
      if (!request.mayLeave()) {
        breaker.leave(pass, null);
        return { kind: 'postponed', retryAfterMs: NOT_LEFT_MS };
      }
      const { outcome, isAlive } = await this.exchange(request, signal);
      breaker.leave(pass, signal.aborted ? null : isAlive);
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
      traceparent: traceparent(tx.gid),
    };
    return { url: component.targets[op] ?? '', headers, body };
  }

  async close(): Promise<void> {
    await Promise.all([...this.pools.values()].map((pool) => pool.destroy()));
    this.pools.clear();
  }

  private async exchange(request: CallRequest, signal: AbortSignal): Promise<Exchange> {
    const { timeoutMs } = request.component;
    const cut = new AbortController();
    const end = (): void => cut.abort(signal.reason);
    signal.addEventListener('abort', end);
    const cancelTimer = this.clock.after(timeoutMs, () => cut.abort(new Error(`no answer within ${timeoutMs} ms`)));
    try {
      return await this.send(this.prepare(request), cut.signal);
    } catch (error) {
      const cause: unknown = cut.signal.aborted ? cut.signal.reason : error;
      return { outcome: { kind: 'unknown', detail: described(cause) }, isAlive: false };
    } finally {
      cancelTimer();
      signal.removeEventListener('abort', end);
    }
  }

  private async send({ url, headers, body }: PreparedCall, signal: AbortSignal): Promise<Exchange> {
    const target = new URL(url);
    const path = target.pathname + target.search;
    const answer = await this.pool(target).request({ path, method: 'POST', headers, body, signal });
    const isAlive = !OVERLOADED.has(answer.statusCode);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      // Leaving the loop destroys the body, and the connection with it.
      if (bytes > LIMITS.replyBytes)
        return { outcome: { kind: 'unknown', detail: `answered more than ${LIMITS.replyBytes} bytes` }, isAlive };
      chunks.push(chunk);
    }
    const header = answer.headers['retry-after'];
    const retryAfter = typeof header === 'string' ? header : null;
    const [only] = chunks;
    const whole = chunks.length === 1 && only ? only : Buffer.concat(chunks);
    return { outcome: outcomeOf(answer.statusCode, retryAfter, whole, this.clock.now()), isAlive };
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
      there.turnstile.resize(component.concurrency);
      return there;
    }
    const breaker = new Breaker(() => this.clock.monotonic());
    const neighbour = { breaker, turnstile: new Turnstile(component.concurrency) };
    this.neighbours.set(component.name, neighbour);
    return neighbour;
  }
}

/** All calls of a transaction share one trace: its id comes from the gid, so every node finds the same one. */
function traceparent(gid: string): string {
  const traceId = createHash('sha256').update(gid).digest('hex').slice(0, 32);
  return `00-${traceId}-${randomBytes(8).toString('hex')}-01`;
}

function described(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code}: ` : '';
  return `${code}${error.message || (error.cause instanceof Error ? error.cause.message : 'no connection')}`;
}
