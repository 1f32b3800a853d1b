/**
 * INCRBY of a key in Redis. What Redis forgets it gives out again, so it has to write each command to the disk before it
 * answers. Nobody who makes ids can see in general that it has forgotten: what one process can see, it refuses from then on.
 */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { CodedError } from '../platform/coded-error.js';
import { duplicateOf } from '../platform/redis-duplicate.js';
import type { Ids } from './id.js';
import { SharedTrips } from './shared-trips.js';
import { ASK_MS, Store } from './store.js';

export interface RedisIdsOptions {
  /** Yours: it is duplicated, and stays as it is. */
  readonly redis: Redis;
  /** Of the numbers; default `default`. */
  readonly name?: string;
  /** Before the names of the keys; default `tercet:id:`. */
  readonly prefix?: string;
  /**
   * `checked`, the default: what CONFIG GET says has to be enough. `assumed`: you promise that the server writes each
   * command to the disk before it answers, where a managed one does not allow CONFIG.
   */
  readonly persistence?: 'checked' | 'assumed';
}

/** ARGV: how many; what names these numbers if they begin now. A life that is another one began after all was lost. */
const BUY = `
redis.call('SET', KEYS[2], ARGV[2], 'NX')
redis.call('INCRBY', KEYS[1], ARGV[1])
-- The text of the number: what INCRBY answers is one of Lua, which is exact to 53 bits only.
return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])}`;

/**
 * Ids rise. Each costs a round trip, shared by all who ask at the same time.
 *
 * @throws CodedError TERCET_ID_UNSAFE unless Redis keeps what it has answered; TERCET_ID_UNAVAILABLE
 */
export async function redisIds(options: RedisIdsOptions): Promise<Ids> {
  const connection = duplicateOf(options.redis, ASK_MS);
  // Told by the request that fails.
  connection.on('error', () => undefined);
  const store = new Store('Redis');
  try {
    await store.ask(async () => {
      await connection.connect();
      if (options.persistence !== 'assumed') await check(connection);
    });
  } catch (error) {
    connection.disconnect();
    throw error;
  }
  const numbers = new Numbers(connection, options);
  const trips = new SharedTrips(store, (count) => numbers.buy(count));
  return {
    kind: 'redis',
    next: () => trips.next(),
    warnings: () => [...store.warnings('and there are none in stock'), ...numbers.warnings()],
    facts: () => {
      const { asked, failures } = store;
      return { made: trips.made, asked, failures, stepsBack: 0, waits: 0, left: 0, leftMs: null };
    },
    close: async () => {
      trips.close();
      connection.disconnect();
    },
  };
}

/** What an answer that came too late says is looked at all the same: it is older than what came after it. */
class Numbers {
  private readonly keys: readonly [string, string];
  private last = 0n;
  private life: string | null = null;
  private lost: string | null = null;

  constructor(
    private readonly connection: Redis,
    { name = 'default', prefix = 'tercet:id:' }: RedisIdsOptions,
  ) {
    // The braces keep both on one server of a cluster.
    const key = `${prefix}{${name}}`;
    this.keys = [key, `${key}:life`];
  }

  async buy(count: number): Promise<string[]> {
    this.refuseIfLost();
    const answer = await this.connection.eval(BUY, 2, ...this.keys, count, randomUUID());
    const [last, life] = answer as [string, string];
    this.look(BigInt(last), BigInt(count), life);
    this.refuseIfLost();
    const from = this.last - BigInt(count) + 1n;
    return Array.from({ length: count }, (_, index) => String(from + BigInt(index)));
  }

  warnings(): string[] {
    return this.lost === null ? [] : [`ids: ${this.lost}`];
  }

  private look(last: bigint, count: bigint, life: string): void {
    const from = last - count + 1n;
    if (this.life !== null && life !== this.life) this.lost = 'Redis has lost all it had, and counts anew';
    else if (from <= this.last) this.lost = `Redis has lost data: it was at ${this.last}, and now gives ${from}`;
    this.last = last;
    this.life = life;
  }

  private refuseIfLost(): void {
    if (this.lost === null) return;
    const next = `set ${this.keys[0]} above every id that was ever made and start this process again`;
    throw new CodedError('TERCET_ID_UNSAFE', `${this.lost}; ids could repeat: ${next}`);
  }
}

async function check(connection: Redis): Promise<void> {
  const found: Record<string, string> = {};
  try {
    for (const name of ['appendonly', 'appendfsync']) {
      const [, value = ''] = (await connection.config('GET', name)) as string[];
      found[name] = value;
    }
  } catch (error) {
    const { message } = error as Error;
    if (!/^(ERR unknown command|NOPERM)/i.test(message)) throw error;
    const what = `this Redis does not say what it keeps (${message})`;
    const next = "if each command is on its disk before it answers, say so with persistence: 'assumed'";
    throw new CodedError('TERCET_ID_UNSAFE', `${what}, and could repeat ids after a crash; ${next}`, { cause: error });
  }
  const lacking = [
    ...(found['appendonly'] === 'yes' ? [] : [`appendonly yes (it is '${found['appendonly']}')`]),
    ...(found['appendfsync'] === 'always' ? [] : [`appendfsync always (it is '${found['appendfsync']}')`]),
  ];
  if (lacking.length === 0) return;
  const what = `after a crash this Redis could give out ids again: it lacks ${lacking.join(' and ')}`;
  throw new CodedError('TERCET_ID_UNSAFE', `${what}; set that, or take another kind of id`);
}
