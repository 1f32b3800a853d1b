import { Redlock } from '../../src/locks/redlock.js';
import { startRedis, withOwnRedis } from '../support/redis.js';
import { describeHolders } from './lock-holders.suite.js';
import type { HolderBench } from './lock-holders.suite.js';
import { describeLockStore } from './lock-store.suite.js';

async function start(count: number): Promise<HolderBench<'efficiency'>> {
  const servers = await Promise.all(Array.from({ length: count }, () => startRedis()));
  // A majority, and no more: the rest goes on.
  const most = servers.slice((count - 1) / 2);
  return {
    open: () => new Redlock(servers.map((server) => server.named())),
    spec: { redis: servers.map(({ url }) => url), database: null, options: {} },
    freeze: () => most.forEach((server) => server.freeze()),
    thaw: () => most.forEach((server) => server.thaw()),
    kill: async () => void (await Promise.all(most.map((server) => server.kill()))),
    restart: async () => void (await Promise.all(most.map((server) => server.restart()))),
    write: null,
    close: async () => void (await Promise.all(servers.map((server) => server.stop()))),
  };
}

describeLockStore('Redlock of 3 servers', withOwnRedis(), () => start(3));
describeLockStore('Redlock of 5 servers', withOwnRedis(), () => start(5));
describeHolders('Redlock of 3 servers', withOwnRedis(), () => start(3));
