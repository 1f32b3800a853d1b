/** What a compiler says of locks; lock-types.test.ts compiles it. Each `@ts-expect-error` is an error there must be. */
import { fenced, guard, Locks, PostgresLocks, SegmentedLock } from '../../src/client/index.js';
import type { Executor, FencingToken, LockStore } from '../../src/client/index.js';
import { Redlock, RedisLocks } from '../../src/client/redis/index.js';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';

declare const redis: Redis;
declare const pool: Pool;
declare const manager: Executor;

const correct = new Locks(new PostgresLocks({ pool }));
const quick = new Locks(new RedisLocks(redis));
const spread = new Locks(new Redlock([redis, redis, redis]));
const fencedQuick = new Locks(fenced(new RedisLocks(redis), { pool }));

export async function right(): Promise<void> {
  await correct.run('a', {}, (held) => guard(manager, held));
  await fencedQuick.run('a', { waitMs: 0 }, ({ name, token }) => guard(manager, { name, token }));
  await new SegmentedLock(correct, 'a', 4).run({}, (held) => guard(manager, held));
  const token: number = await quick.run('a', {}, async (held) => held.token);
  const kept: FencingToken = await correct.run('a', {}, async (held) => held.token);
  return guard(manager, { name: String(token), token: kept });
}

export async function wrong(): Promise<void> {
  // @ts-expect-error a token of the class efficiency guards nothing
  await quick.run('a', {}, (held) => guard(manager, held));
  // @ts-expect-error nor does one of Redlock, whatever the number of servers
  await spread.run('a', {}, (held) => guard(manager, held));
  // @ts-expect-error nor one of a segment
  await new SegmentedLock(quick, 'a', 4).run({}, (held) => guard(manager, held));
  // @ts-expect-error nor a number of one's own
  await guard(manager, { name: 'a', token: 7 });
  // @ts-expect-error a store of the class correctness is fenced already
  fenced(new PostgresLocks({ pool }), { pool });
  // @ts-expect-error a class does not become another by being named
  const store: LockStore<'correctness'> = new RedisLocks(redis);
  await store.close();
}
