import { PostgresLocks } from '../../src/locks/postgres.js';
import { Server } from '../e2e/server.js';
import { Guarded } from './guarded.js';
import { describeHolders } from './lock-holders.suite.js';
import type { HolderBench } from './lock-holders.suite.js';
import { describeLockStore } from './lock-store.suite.js';

async function start(): Promise<HolderBench<'correctness'>> {
  const server = await Server.start();
  const guarded = await Guarded.install(server.url);
  return {
    open: () => new PostgresLocks({ pool: guarded.pool(), limitMs: 1000 }),
    spec: { redis: [], database: server.url, options: {} },
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
    kill: () => server.crash(),
    restart: () => server.start(),
    write: (name, token) => guarded.write(name, token),
    close: async () => {
      await guarded.close();
      await server.remove();
    },
  };
}

describeLockStore('PostgreSQL', describe, start);
describeHolders('PostgreSQL', describe, start);
