/** The locks of this service as the wire shows them, and how a person takes one from its holder. */
import type { Logger } from '../engine/ports.js';
import type { Order } from '../engine/timeline.js';
import { LOCK_NAME } from '../locks/lock.js';
import type { HeldLock, LockStore } from '../locks/lock.js';
import { CodedError } from '../platform/coded-error.js';
import { TercetError } from '../protocol/errors.js';
import type { LockView, OneLockView } from '../protocol/locks.js';
import type { CheckView } from '../protocol/words.js';
import { answered } from '../storage/guarded.js';
import type { LockReleases } from '../storage/lock-releases.js';
import { good, wrong } from './checks.js';

export interface LockDeskParts {
  readonly store: LockStore<'correctness'>;
  /** For people: `in PostgreSQL`. */
  readonly place: string;
  readonly releases: LockReleases;
  readonly logger: Logger;
}

export class LockDesk {
  constructor(private readonly parts: LockDeskParts) {}

  async list(prefix: string, limit: number): Promise<{ locks: LockView[] }> {
    const held = await answered(this.parts.store.list({ prefix, limit }));
    return { locks: held.map(lockView) };
  }

  /** What `tercet doctor` says of them. */
  async check(): Promise<CheckView> {
    const { store, place } = this.parts;
    try {
      await store.list({ prefix: '', limit: 1 });
      return good('locks', `kept ${place}`);
    } catch (error) {
      const advice = 'what only one node may do waits until it answers; transactions do not';
      return wrong('locks', `kept ${place}: ${error instanceof CodedError ? error.detail : String(error)}`, advice);
    }
  }

  /** @throws TercetError when nobody has it, and no person ever took it from anybody */
  async one(name: string): Promise<OneLockView> {
    const { store, releases } = this.parts;
    if (!LOCK_NAME.test(name)) throw unknown(name);
    const [held, taken] = await Promise.all([answered(store.show(name)), releases.of(name)]);
    if (held === null && taken.length === 0) throw unknown(name);
    return {
      name,
      holder: held && holderView(held),
      releases: taken.map(({ at, by, reason, node, token, since }) => {
        return { at: iso(at), by, reason, node, token, since: iso(since) };
      }),
    };
  }

  /**
   * Recorded before it is done: nobody loses a lock without a word why.
   *
   * @throws TercetError when nobody has it
   */
  async release(name: string, { who, reason }: Order): Promise<LockView> {
    const { store, releases, logger } = this.parts;
    if (!LOCK_NAME.test(name)) throw unknown(name);
    const held = await answered(store.show(name));
    if (held === null) throw unknown(name);
    const { node, token, since } = held;
    const order = { by: who, reason };
    await releases.record({ name, node, token, since, ...order });
    logger.warn({ who, reason, lock: name, node, token }, 'an operator takes a lock from its holder');
    const seized = await answered(store.seize(name));
    // It went from hand to hand meanwhile.
    if (seized && seized.owner !== held.owner) await releases.record({ ...seized, ...order });
    return lockView(seized ?? held);
  }
}

function holderView({ node, token, since, until }: HeldLock): Omit<LockView, 'name'> {
  return { node, token, since: iso(since), until: iso(until) };
}

const lockView = (held: HeldLock): LockView => ({ name: held.name, ...holderView(held) });
const iso = (ms: number): string => new Date(ms).toISOString();

function unknown(name: string): TercetError {
  return new TercetError('TERCET_LOCK_UNKNOWN', `nobody has the lock '${name.slice(0, 200)}'; it may have ended`);
}
