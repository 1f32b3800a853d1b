import { RedisLocks } from '../../src/locks/redis.js';
import { startRedis, withOwnRedis } from '../support/redis.js';
import { describeHolders } from './lock-holders.suite.js';
import type { HolderBench } from './lock-holders.suite.js';
import { describeLockStore } from './lock-store.suite.js';

async function start(...settings: string[]): Promise<HolderBench<'efficiency'>> {
  const server = await startRedis(...settings);
  const options = { timeoutMs: 300 };
  return {
    open: () => new RedisLocks(server.named(), options),
    spec: { redis: [server.url], database: null, options },
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
describeHolders('Redis', withOwnRedis(), () => start());
