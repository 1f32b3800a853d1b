/** Requests to participants as they leave, and what came of them. */
import { createSecureContext } from 'node:tls';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import { Pool } from 'undici';
import type { Clock } from '../engine/ports.js';
import { isAddress } from './address.js';
import { hostOf } from './allow-list.js';
import type { AllowList } from './allow-list.js';
import { Exchange } from './exchange.js';
import type { Result } from './exchange.js';
import { described } from './trouble.js';

const KEEP_ALIVE_MS = 30_000;
/** Connections to where no call went for so long are closed: services that move leave their old addresses behind. */
const UNUSED_MS = 600 * 1000;

/** A POST whose every byte is made. */
export interface Outgoing {
  readonly url: string;
  /** Names and values in turn, as undici takes them with the least work. */
  readonly headers: string[];
  readonly body: string;
  readonly timeoutMs: number;
  /** What a circuit breaker is to make of no answer in that time: see Result. */
  readonly lateIsAlive: false | null;
  /** By `monotonic` of the engine's clock: what has not left by then does not leave, and is postponed. */
  readonly leaveBy: number;
}

export interface Sender {
  /**
   * @param over called once, with what came of it
   * @returns stops it: nobody waits for the answer any more, and it ends as unknown
   */
  send(outgoing: Outgoing, over: (result: Result) => void): () => void;
  /** How long a thread of its own has been busy in all, in ms; 0: it has none. */
  readonly busyMs: number;
  /** Cuts what is under way. */
  close(): Promise<void>;
}

interface Origin {
  readonly pool: Pool;
  /** Monotonic, ms. */
  usedAt: number;
}

interface Target {
  readonly origin: Origin;
  readonly path: string;
}

/** Sends from the thread that it is called in. */
export class PoolSender implements Sender {
  readonly busyMs = 0;
  private readonly targets = new Map<string, Target>();
  private readonly origins = new Map<string, Origin>();
  private readonly secureContext: SecureContext | null;

  constructor(
    private readonly allowList: AllowList,
    private readonly clock: Clock,
    /** What is trusted and shown where `https://` is called; null: what Node does. */
    tls: SecureContextOptions | null = null,
  ) {
    this.secureContext = tls && createSecureContext(tls);
  }

  send(outgoing: Outgoing, over: (result: Result) => void): () => void {
    const { url, headers, body, timeoutMs, lateIsAlive, leaveBy } = outgoing;
    const exchange = new Exchange(this.clock, leaveBy, (result) => {
      cancelTimer();
      over(result);
    });
    const late = (): void => exchange.cut(`no answer within ${timeoutMs} ms`, lateIsAlive);
    const cancelTimer = this.clock.after(timeoutMs, late);
    try {
      const { origin, path } = this.target(url);
      origin.usedAt = this.clock.monotonic();
      origin.pool.dispatch({ path, method: 'POST', headers, body }, exchange);
    } catch (error) {
      exchange.cut(described(error), false);
    }
    return () => exchange.cut('this node stopped waiting', null);
  }

  async close(): Promise<void> {
    await Promise.all([...this.origins.values()].map(({ pool }) => pool.destroy()));
    this.origins.clear();
    this.targets.clear();
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
    const { secureContext } = this;
    const pool = new Pool(target.origin, {
      connect: { lookup: this.allowList.lookup, keepAlive: true, ...(secureContext ? { secureContext } : {}) },
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
}

/** As it stands in the request line. */
export function pathOf(url: URL): string {
  return url.pathname + url.search;
}
