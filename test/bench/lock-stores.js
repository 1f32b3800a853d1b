/** The stores of locks that are compared, each as a service would make it. */
import { fenced, Locks, PostgresLocks } from '@tercet/client';
import { Redlock, RedisLocks } from '@tercet/client/redis';
import { Redis } from 'ioredis';
import pg from 'pg';

export const STORES = ['Redis', 'Redlock of 3', 'PostgreSQL', 'Redis, fenced'];

/** @param urls `{ postgres, redis: [three of them] }` */
export async function locksOf(store, urls) {
  const servers = (store === 'Redlock of 3' ? urls.redis : urls.redis.slice(0, 1)).map((url) => {
    return new Redis(url, { lazyConnect: true }).on('error', () => {});
  });
  const pool = new pg.Pool({ connectionString: urls.postgres, max: 5 }).on('error', () => {});
  const makers = {
    Redis: () => new RedisLocks(servers[0]),
    'Redlock of 3': () => new Redlock(servers),
    PostgreSQL: () => new PostgresLocks({ pool }),
    'Redis, fenced': () => fenced(new RedisLocks(servers[0]), { pool }),
  };
  const locks = new Locks(makers[store]());
  return {
    locks,
    pool,
    async close() {
      await locks.close();
      for (const server of servers) server.disconnect();
      await pool.end();
    },
  };
}
