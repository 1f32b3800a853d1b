/**
 * One of many processes gets contents from where they are kept, the others take its copy from Redis.
 *
 * Each of them knows the checksum of what it is to have, and a copy lies under its checksum: whoever takes one computes
 * it again, so that nothing that stands in Redis, true or forged, can give a process what was not meant for it. Redis is a
 * shortcut and nothing more. All that it may cost is a wait, and then it is left alone for a while.
 */
import { createHmac } from 'node:crypto';
import type { Redis } from 'ioredis';
import { Locks } from '../locks/locks.js';
import { RedisLocks } from '../locks/redis.js';
import { RedisLink } from '../locks/redis-link.js';
import type { Held } from '../locks/held.js';
import type { Clock, Logger } from '../platform/surroundings.js';
import { within } from '../platform/within.js';
import type { Json } from '../protocol/words.js';
import { openText, sealText } from './sealed-text.js';
import { Wake } from './wake.js';

/** All that Redis may cost a pull. */
const WAIT_MS = 500;
/** Redis that needs longer than this for one answer does not help. */
const SLOW_MS = 250;
/** Redis is left alone for so long after it has not answered. */
const SHUN_MS = 30_000;
/** Whoever waits looks again after so long, in case nothing woke him. */
const LOOK_MS = 100;
/** Renewed while the one who pulls lives. */
const LOCK_MS = 1000;
/** Others come at about the same time, or get the contents from the center. */
const COPY_MS = 60_000;
const PREFIX = 'tercet:config:copy:';
const LOCK_PREFIX = 'tercet:config:lock:';

/** What many want, each of whom has been told its checksum. */
export interface Pullable<T> {
  readonly checksum: string;
  /** Gets it from where it is kept; by then it may be another. */
  fetch(): Promise<T>;
  checksumOf(value: T): string;
  toCopy(value: T): Json;
  /** What it was copied from. @throws Error when its checksum is another */
  fromCopy(copy: Json): T;
}

export type Pulled<T> = readonly [value: T, source: 'center' | 'copy'];
type Found<T> = { readonly value: T } | { readonly lock: Held };

export interface SharedPullOptions {
  /** Names the server and is left as it is: connections of its own are made when they are needed. */
  readonly redis: Redis;
  /** Copies are encrypted with it; without one they lie in Redis as they are. */
  readonly copyKey: Buffer | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class SharedPull {
  /** How often this process got contents from the center, and how often a copy saved it that. */
  readonly counts = { fetches: 0, saved: 0 };
  private readonly link: RedisLink;
  private readonly store: RedisLocks;
  private readonly locks: Locks<'efficiency'>;
  private readonly underway = new Set<Promise<void>>();
  private shunnedUntil = 0;

  constructor(private readonly options: SharedPullOptions) {
    const { redis, clock } = options;
    this.link = new RedisLink(redis, WAIT_MS);
    this.store = new RedisLocks(redis, { prefix: LOCK_PREFIX, timeoutMs: WAIT_MS });
    this.locks = new Locks(this.store, { clock });
  }

  /** Whether it makes sense to ask the center for a stamp first. */
  get isUsable(): boolean {
    return this.options.clock.monotonic() >= this.shunnedUntil;
  }

  /** @throws what `fetch` throws */
  async pull<T>(wanted: Pullable<T>): Promise<Pulled<T>> {
    const found = this.isUsable ? await this.copyOrLock(wanted) : null;
    if (found && 'value' in found) {
      this.counts.saved += 1;
      return [found.value, 'copy'];
    }
    let shared: { checksum: string; copy: Json } | null = null;
    try {
      const value = await wanted.fetch();
      this.counts.fetches += 1;
      if (found) shared = { checksum: wanted.checksumOf(value), copy: wanted.toCopy(value) };
      return [value, 'center'];
    } finally {
      // Nobody here waits for what the others get.
      if (found) this.track(this.share(shared, found.lock));
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.underway);
    await this.locks.close();
    await this.link.close();
  }

  /** The copy; or the lock of who is to make one; null: neither came in time, or Redis is away. */
  private async copyOrLock<T>(wanted: Pullable<T>): Promise<Found<T> | null> {
    const { clock } = this.options;
    const place = this.placeOf(wanted.checksum);
    const until = clock.monotonic() + WAIT_MS;
    const wake = new Wake(clock);
    let unwatch: (() => void) | null = null;
    let askedAt = until;
    try {
      while (clock.monotonic() < until) {
        askedAt = clock.monotonic();
        const copy = await within(until - askedAt, this.copy(wanted, place), late);
        if (copy) return copy;
        askedAt = clock.monotonic();
        const held = await this.attempt(place, until - askedAt);
        if (held) return await this.withHeld(held, wanted, place, until - clock.monotonic());
        unwatch ??= this.store.watch(place, wake.ring);
        await wake.wait(Math.min(LOOK_MS, until - clock.monotonic()));
      }
    } catch (error) {
      // At the end of the wait even a good answer may come too late.
      if (!(error instanceof Late) || clock.monotonic() - askedAt >= SLOW_MS) this.shun(error);
    } finally {
      unwatch?.();
    }
    return null;
  }

  /** The lock; or the copy, if it was put there just before the lock was got. */
  private async withHeld<T>(lock: Held, wanted: Pullable<T>, place: string, leftMs: number): Promise<Found<T>> {
    const copy = await within(Math.max(0, leftMs), this.copy(wanted, place), late).catch(() => null);
    if (copy) this.track(lock.release());
    return copy ?? { lock };
  }

  /** One that comes too late goes back. */
  private attempt(place: string, leftMs: number): Promise<Held | null> {
    const attempting = this.locks.attempt(place, { ttlMs: LOCK_MS });
    return within(Math.max(0, leftMs), attempting, () => {
      this.track(attempting.then((held) => held?.release()));
      return late();
    });
  }

  private async copy<T>(wanted: Pullable<T>, place: string): Promise<{ value: T } | null> {
    const text = await this.link.ask((redis) => redis.get(PREFIX + place));
    if (text === null) return null;
    try {
      const { copyKey } = this.options;
      return { value: wanted.fromCopy(JSON.parse(copyKey ? openText(copyKey, text, place) : text) as Json) };
    } catch (error) {
      const fields = { error: String(error), place };
      this.options.logger.warn(
        fields,
        'the copy of the configuration in Redis is not what it should be; another is made',
      );
      return null;
    }
  }

  /** Puts the copy where the others look, and lets them look. @param shared null: there is none */
  private async share(shared: { checksum: string; copy: Json } | null, lock: Held): Promise<void> {
    try {
      if (shared) {
        const { copyKey } = this.options;
        const place = this.placeOf(shared.checksum);
        const text = JSON.stringify(shared.copy);
        const copy = copyKey ? sealText(copyKey, text, place) : text;
        await this.link.ask((redis) => redis.set(PREFIX + place, copy, 'PX', COPY_MS));
      }
    } catch (error) {
      this.shun(error);
    }
    await lock.release();
  }

  private shun(error: unknown): void {
    if (this.isUsable) {
      const message = `the configuration is taken from the center alone for ${SHUN_MS / 1000} s: Redis does not help`;
      this.options.logger.warn({ error: String(error) }, message);
    }
    this.shunnedUntil = this.options.clock.monotonic() + SHUN_MS;
  }

  /** Of encrypted copies the name says nothing of the contents either. */
  private placeOf(checksum: string): string {
    const { copyKey } = this.options;
    return copyKey ? createHmac('sha256', copyKey).update(checksum).digest('hex') : checksum;
  }

  private track(work: Promise<void>): void {
    const done = work.catch(() => undefined).finally(() => this.underway.delete(done));
    this.underway.add(done);
  }
}

class Late extends Error {}

function late(): Late {
  return new Late(`no answer within ${WAIT_MS} ms`);
}
