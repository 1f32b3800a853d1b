import { RedisLocks } from '../../src/locks/redis.js';
import { startRedis, withOwnRedis } from '../support/redis.js';
import { describeFailover } from './lock-failover.suite.js';
import { describeHolders } from './lock-holders.suite.js';
import type { HolderBench } from './lock-holders.suite.js';
import { describeLockStore } from './lock-store.suite.js';

const OPTIONS = { timeoutMs: 1000 };

async function start(...settings: string[]): Promise<HolderBench<'efficiency'>> {
  const server = await startRedis(...settings);
  return {
    open: () => new RedisLocks(server.named(), OPTIONS),
    spec: { redis: [server.url], database: null, options: OPTIONS },
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
describeFailover('Redis', withOwnRedis(), async () => ({
  open: (server) => new RedisLocks(server.named(), OPTIONS),
  write: null,
  close: async () => undefined,
}));
