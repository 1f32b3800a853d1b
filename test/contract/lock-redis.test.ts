import { RedisLocks } from '../../src/locks/redis.js';
import { startRedis, withOwnRedis } from '../support/redis.js';
import { describeLockStore } from './lock-store.suite.js';
import type { LockBench } from './lock-store.suite.js';

async function start(...settings: string[]): Promise<LockBench<'efficiency'>> {
  const server = await startRedis(...settings);
  return {
    open: () => new RedisLocks(server.named(), { timeoutMs: 300 }),
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
    kill: () => server.kill(),
    restart: () => server.restart(),
    write: null,
    close: () => server.stop(),
  };
}

describeLockStore('Redis', withOwnRedis(), () => start());
describeLockStore('Redis that keeps its data', withOwnRedis(), () => start('--appendonly', 'yes'));
