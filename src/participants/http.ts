/** Calls to participants over HTTP; docs/wire.md, section 7. */
import { hash, randomBytes } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import { Pool } from 'undici';
import type { Outcome } from '../domain/transaction.js';
import type { CallRequest, Clock, Component, Participants, PreparedCall } from '../engine/ports.js';
import type { SigningSecrets } from '../protocol/signature.js';
import { HEADERS } from '../protocol/words.js';
import { hostOf, isAddress } from './allow-list.js';
import type { AllowList } from './allow-list.js';
import { Breaker } from './breaker.js';
import { Exchange } from './exchange.js';
import type { Result } from './exchange.js';
import { described } from './trouble.js';
import { Turnstile } from './turnstile.js';

/** How soon a call is asked for again that did not leave because the lease was in doubt. */
const NOT_LEFT_MS = 100;
const KEEP_ALIVE_MS = 30_000;
/** Connections to where no call went for so long are closed: services that move leave their old addresses behind. */
const UNUSED_MS = 3600 * 1000;

interface Origin {
  readonly pool: Pool;
  /** Monotonic, ms. */
  usedAt: number;
}

interface Target {
  readonly origin: Origin;
  readonly path: string;
}

interface Neighbour {
  readonly breaker: Breaker;
  readonly turnstile: Turnstile;
}

export class HttpParticipants implements Participants {
  private readonly targets = new Map<string, Target>();
  private readonly origins = new Map<string, Origin>();
  private readonly neighbours = new Map<string, Neighbour>();

  constructor(
    private readonly allowList: AllowList,
    private readonly clock: Clock,
    /** Null: calls are not signed. */
    private readonly signing: SigningSecrets | null = null,
    /** What is trusted and shown where `https://` is called; null: what Node does. */
    private readonly tls: SecureContext | null = null,
  ) {}

  async call(request: CallRequest): Promise<Outcome> {
    const { component, op } = request;
    // It was replaced by one that lacks what was there at the begin.
    if (!component.targets[op])
      return { kind: 'unknown', detail: `component '${component.name}' has no URL for ${op} now` };
    const { breaker, turnstile } = this.neighbour(component);
    const turn = turnstile.enter();
    if (turn) await turn;
    try {
      const pass = breaker.enter();
      if (typeof pass === 'number') return { kind: 'postponed', retryAfterMs: pass };
      // Asked after the wait, as close to the call as can be: a lease may have ended meanwhile.
      if (!request.mayLeave()) {
        breaker.leave(pass, null);
        return { kind: 'postponed', retryAfterMs: NOT_LEFT_MS };
      }
      const { outcome, isAlive } = await this.exchange(request);
      breaker.leave(pass, isAlive);
      return outcome;
    } finally {
      turnstile.leave();
    }
  }

  prepare({ tx, branch, op, attempt, component }: Omit<CallRequest, 'mayLeave' | 'stopped'>): PreparedCall {
    const quoted = (text: string): string => JSON.stringify(text);
    // Payload and reply are JSON texts already, and go out as they came in.
    const body =
      `{"gid":${quoted(tx.gid)},"branchId":${quoted(branch.branchId)},"op":"${op}","attempt":${attempt},` +
      `"mode":"${tx.mode}","component":${quoted(branch.component)},"beganAt":"${new Date(tx.beganAt).toISOString()}",` +
      `"payload":${branch.payload},"reply":${branch.reply ?? 'null'}}`;
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      [HEADERS.gid]: tx.gid,
      [HEADERS.branch]: branch.branchId,
      [HEADERS.op]: op,
      [HEADERS.attempt]: String(attempt),
      [HEADERS.timeoutMs]: String(component.timeoutMs),
      traceparent: traceparent(tx.gid),
    };
    const url = component.targets[op] ?? '';
    if (this.signing && url !== '') {
      const path = this.targets.get(url)?.path ?? pathOf(new URL(url));
      const signed = { method: 'POST', path, gid: tx.gid, op, body };
      headers[HEADERS.signature] = this.signing.sign(signed, this.clock.now());
    }
    return { url, headers, body };
  }

  async close(): Promise<void> {
    await Promise.all([...this.origins.values()].map(({ pool }) => pool.destroy()));
    this.origins.clear();
    this.targets.clear();
  }

  private exchange(request: CallRequest): Promise<Result> {
    return new Promise((resolve) => {
      const exchange = new Exchange(
        () => this.clock.now(),
        (result) => {
          cancelTimer();
          resolve(result);
        },
      );
      const { timeoutMs } = request.component;
      const cancelTimer = this.clock.after(timeoutMs, () => exchange.cut(`no answer within ${timeoutMs} ms`, false));
      void request.stopped.then(() => exchange.cut('this node stopped waiting', null));
      try {
        const { url, headers, body } = this.prepare(request);
        const { origin, path } = this.target(url);
        origin.usedAt = this.clock.monotonic();
        origin.pool.dispatch({ path, method: 'POST', headers, body }, exchange);
      } catch (error) {
        exchange.cut(described(error), false);
      }
    });
  }

  private target(url: string): Target {
    const there = this.targets.get(url);
    if (there) return there;
    const parsed = new URL(url);
    const target = { origin: this.origin(parsed), path: pathOf(parsed) };
    this.targets.set(url, target);
    return target;
  }

  private origin(target: URL): Origin {
    const there = this.origins.get(target.origin);
    if (there) return there;
    const host = hostOf(target);
    // An address is never looked up, so it is checked here.
    if (isAddress(host) && !this.allowList.permits(host, host)) throw new Error(`${host} is not on the allow-list`);
    const pool = new Pool(target.origin, {
      connect: { lookup: this.allowList.lookup, keepAlive: true, ...(this.tls ? { secureContext: this.tls } : {}) },
      keepAliveTimeout: KEEP_ALIVE_MS,
      // The whole exchange has a timer of its own.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    this.closeUnused();
    const origin = { pool, usedAt: this.clock.monotonic() };
    this.origins.set(target.origin, origin);
    return origin;
  }

  private closeUnused(): void {
    const since = this.clock.monotonic() - UNUSED_MS;
    for (const [name, origin] of this.origins) {
      if (origin.usedAt > since) continue;
      this.origins.delete(name);
      for (const [url, target] of this.targets) if (target.origin === origin) this.targets.delete(url);
      void origin.pool.destroy();
    }
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

/** As it stands in the request line. */
function pathOf(url: URL): string {
  return url.pathname + url.search;
}

/** The calls of this process, told apart from those of any other by its own half of the span id. */
const PROCESS_HALF = randomBytes(4).toString('hex');
let spans = 0;

/** All calls of a transaction share one trace: its id comes from the gid, so every node finds the same one. */
function traceparent(gid: string): string {
  spans = (spans + 1) % 2 ** 32;
  return `00-${hash('sha256', gid).slice(0, 32)}-${PROCESS_HALF}${spans.toString(16).padStart(8, '0')}-01`;
}
