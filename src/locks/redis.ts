/** Locks in one Redis. */
import type { Redis } from 'ioredis';
import { CodedError } from '../platform/coded-error.js';
import type { HeldLock, LockStore, Wish } from './lock.js';
import { RedisLink } from './redis-link.js';
import type { Call } from './redis-link.js';
import * as scripts from './redis-scripts.js';
import type { Script } from './redis-scripts.js';
import { RedisWatch } from './redis-watch.js';

const PREFIX = /^[^{}]{0,100}$/;
const DEFAULT_PREFIX = 'tercet:lock:';
const TIMEOUT_MS = { from: 10, to: 60_000, default: 1000 };
/** More keys than this are not looked through for a list. */
const SCAN = { count: 1000, rounds: 1000 };

export interface RedisLocksOptions {
  /** Begins the names of all keys, after the `keyPrefix` of the connection given; no braces. Default `tercet:lock:`. */
  readonly prefix?: string;
  /** How long to wait for an answer, ms: well below the lifetimes of the locks. Default 1000, from 10 to 60,000. */
  readonly timeoutMs?: number;
}

/** What an attempt came to; of a lock that is held, also by which owner. */
export type RedisAttempt = { readonly token: number } | { readonly heldForMs: number | null; readonly by: string };

interface Value {
  readonly owner: string;
  readonly node: string;
  readonly token: number;
  readonly since: number;
}

/**
 * Class `efficiency`: what one Redis has promised can be forgotten, when it fails over to a replica that has not heard
 * of it, loses its data, or its clock jumps; then two hold the lock. For more, see fenced.ts.
 */
export class RedisLocks implements LockStore<'efficiency'> {
  readonly lockClass = 'efficiency';
  private readonly prefix: string;
  private readonly link: RedisLink;
  private readonly watching: RedisWatch;

  /**
   * @param redis names the server and is left as it is: connections of its own are made when they are needed
   * @throws RangeError: an option is out of bounds
   */
  constructor(redis: Redis, { prefix = DEFAULT_PREFIX, timeoutMs = TIMEOUT_MS.default }: RedisLocksOptions = {}) {
    if (!PREFIX.test(prefix)) throw new RangeError(`the prefix '${prefix}' is longer than 100 or has braces`);
    if (!(timeoutMs >= TIMEOUT_MS.from && timeoutMs <= TIMEOUT_MS.to)) {
      throw new RangeError(`timeoutMs is ${timeoutMs}; it must be from ${TIMEOUT_MS.from} to ${TIMEOUT_MS.to}`);
    }
    this.prefix = `${redis.options.keyPrefix ?? ''}${prefix}`;
    this.link = new RedisLink(redis, timeoutMs);
    this.watching = new RedisWatch(redis, timeoutMs);
  }

  async acquire({ name, owner, node, ttlMs }: Wish): Promise<RedisAttempt> {
    const undo = { ...this.call(scripts.RELEASE, name, owner), forMs: ttlMs };
    const answer = await this.link.run(this.call(scripts.ACQUIRE, name, owner, node, ttlMs), undo);
    if (!Array.isArray(answer)) return { token: Number(answer) };
    const [value, leftMs] = answer as [string, number];
    return { heldForMs: leftMs < 0 ? null : leftMs, by: this.parsed(name, value).owner };
  }

  async renew({ name, owner, ttlMs }: Wish): Promise<boolean> {
    return (await this.link.run(this.call(scripts.RENEW, name, owner, ttlMs))) === 1;
  }

  async release({ name, owner }: Pick<Wish, 'name' | 'owner'>): Promise<boolean> {
    return (await this.link.run(this.call(scripts.RELEASE, name, owner))) === 1;
  }

  /** Gives it back without a word to those who wait. */
  async withdraw({ name, owner }: Pick<Wish, 'name' | 'owner'>): Promise<void> {
    await this.link.run(this.call(scripts.WITHDRAW, name, owner));
  }

  /** Gives the owner this token, if he still holds the lock; all tokens after it are higher in any case. */
  async raise({ name, owner }: Pick<Wish, 'name' | 'owner'>, token: number): Promise<void> {
    await this.link.run(this.call(scripts.RAISE, name, owner, token));
  }

  watch(name: string, wake: () => void): () => void {
    return this.watching.watch(this.keyOf(name), wake);
  }

  /** By name; where there are more than `limit`, any of them. */
  async list({ prefix, limit }: { readonly prefix: string; readonly limit: number }): Promise<HeldLock[]> {
    const before = `${this.prefix}{`;
    const pattern = `${escaped(before + prefix)}*}`;
    const names = new Set<string>();
    let cursor = '0';
    for (let rounds = 0; ; rounds++) {
      if (rounds === SCAN.rounds) throw tooMany(this.prefix);
      const [next, keys] = await this.link.ask((redis) => redis.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN.count));
      for (const key of keys) names.add(key.slice(before.length, -1));
      cursor = next;
      if (cursor === '0' || names.size >= limit) break;
    }
    const chosen = [...names].slice(0, limit).sort();
    const locks = await Promise.all(chosen.map((name) => this.show(name)));
    return locks.filter((lock) => lock !== null);
  }

  show(name: string): Promise<HeldLock | null> {
    return this.holder(scripts.SHOW, name);
  }

  seize(name: string): Promise<HeldLock | null> {
    return this.holder(scripts.SEIZE, name);
  }

  async close(): Promise<void> {
    this.watching.close();
    await this.link.close();
  }

  private async holder(script: Script, name: string): Promise<HeldLock | null> {
    const answer = (await this.link.run(this.call(script, name))) as [string, number, number] | null;
    if (answer === null) return null;
    const [value, leftMs, now] = answer;
    return { name, ...this.parsed(name, value), until: now + Math.max(0, leftMs) };
  }

  private parsed(name: string, value: string): Value {
    try {
      const { owner, node, token, since } = JSON.parse(value) as Value;
      return { owner, node, token, since };
    } catch (cause) {
      const what = `the key '${this.keyOf(name)}' holds something that is no lock; give the locks a prefix of their own`;
      throw new CodedError('TERCET_LOCK_UNAVAILABLE', what, { cause });
    }
  }

  private call(script: Script, name: string, ...args: (string | number)[]): Call {
    const key = this.keyOf(name);
    return { script, keys: [key, `${key}:token`], args };
  }

  /** Its braces make the keys of one lock stay together where keys are spread. */
  private keyOf(name: string): string {
    return `${this.prefix}{${name}}`;
  }
}

/** Means itself in a pattern of Redis. */
function escaped(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&');
}

function tooMany(prefix: string): CodedError {
  const what = `the Redis holds too many other keys to list those that begin with '${prefix}'`;
  return new CodedError(
    'TERCET_LOCK_UNAVAILABLE',
    `${what}; show a lock by its name, or give the locks their own Redis`,
  );
}
