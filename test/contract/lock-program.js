/**
 * Somebody with locks in a process of its own, with the built package; asked for by its parent, one order at a time.
 * `hold`: holds a lock until told to `act` (which it does only if the lock is still its own) or to `end`.
 * `contend`: several who want one lock several times each. `wait`: waits for a lock until that is over or told to `stop`.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { fenced } from '../../dist/src/locks/fenced.js';
import { Locks } from '../../dist/src/locks/locks.js';
import { PostgresLocks } from '../../dist/src/locks/postgres.js';
import { RedisLocks } from '../../dist/src/locks/redis.js';
import { Redlock } from '../../dist/src/locks/redlock.js';

const { redis, database, options } = JSON.parse(process.argv[2]);
const pool = database && new pg.Pool({ connectionString: database, max: 5 });
pool?.on('error', () => {});
const locks = new Locks(open());

/** As src/locks has them: by how many Redis servers there are, and whether there is a database. */
function open() {
  const servers = redis.map((url) => new Redis(url, { lazyConnect: true }));
  if (servers.length === 0) return new PostgresLocks({ pool });
  const store = servers.length === 1 ? new RedisLocks(servers[0], options) : new Redlock(servers, options);
  return pool ? fenced(store, { pool }) : store;
}

const orders = {
  async hold({ name, ttlMs }) {
    const held = await locks.acquire(name, { ttlMs });
    held.signal.addEventListener('abort', () => process.send({ told: held.signal.reason.code }));
    orders.act = async () => held.check();
    orders.end = () => held.release();
    return { token: held.token };
  },
  async contend({ name, waiters, rounds }) {
    const contender = async (waiter) => {
      for (let round = 0; round < rounds; round++) {
        process.send({ asks: waiter });
        // Work takes a moment, in which those who wait are woken and asked again.
        await locks.run(name, { waitMs: 120_000 }, async ({ token }) => {
          process.send({ waiter, token });
          await pause(5);
        });
      }
    };
    await Promise.all(Array.from({ length: waiters }, (_, waiter) => contender(waiter)));
  },
  async wait({ name, waitMs }) {
    const stopping = new AbortController();
    orders.stop = async () => stopping.abort({ code: 'stopped' });
    const code = await locks.acquire(name, { waitMs, signal: stopping.signal }).then(
      () => 'got',
      (error) => error.code,
    );
    return { code };
  },
  /** What would keep this process from ending by itself. */
  async timers() {
    return { timers: process.getActiveResourcesInfo().filter((what) => what === 'Timeout').length };
  },
  async close() {
    await locks.close();
    await pool?.end();
    process.disconnect();
  },
};

process.on('message', async ({ order, ...details }) => {
  const answer = await orders[order](details).then(
    (result) => ({ done: order, ...result }),
    (error) => ({ failed: order, code: error.code ?? String(error) }),
  );
  if (process.connected) process.send(answer);
});
process.send({ ready: true });
