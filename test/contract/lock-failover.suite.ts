/**
 * A replica that has not heard of a lock becomes the master: then two have it. That is why Redis is of the class
 * `efficiency`; a store of the class `correctness` over it keeps out what the first one writes.
 */
import { Locks } from '../../src/locks/locks.js';
import type { LockClass, LockStore } from '../../src/locks/lock.js';
import { Proxy } from '../support/proxy.js';
import { startRedis } from '../support/redis.js';
import type { RedisServer } from '../support/redis.js';
import { demandGuarded, nameOf } from './lock-store.suite.js';
import type { LockBench } from './lock-store.suite.js';

export interface FailoverBench<C extends LockClass> {
  /** With connections of its own to this server. */
  open(server: RedisServer): LockStore<C>;
  readonly write: LockBench<C>['write'];
  close(): Promise<void>;
}

/** @param start called once */
export function describeFailover<C extends LockClass>(
  title: string,
  describeIt: typeof describe,
  start: () => Promise<FailoverBench<C>>,
): void {
  describeIt(`a failover that loses a lock: ${title}`, () => {
    let bench: FailoverBench<C>;
    let master: RedisServer;
    let replica: RedisServer;
    let between: Proxy;

    beforeEach(async () => {
      bench = await start();
      [master, replica] = await Promise.all([startRedis(), startRedis()]);
      between = await Proxy.start(master.url);
      await replica.replicate(Number(new URL(between.url).port));
    });
    afterEach(async () => {
      await between.stop();
      await Promise.all([master.stop(), replica.stop(), bench.close()]);
    });

    test.each([
      ['is killed', () => master.kill()],
      ['is frozen', async () => master.freeze()],
    ])('the master %s: two hold it, and of a guarded one the second alone writes', async (_what, fail) => {
      const name = nameOf('failover');
      const before = new Locks(bench.open(master));
      const after = new Locks(bench.open(replica));
      between.silence();
      const first = await before.acquire(name, { ttlMs: 60_000 });
      await fail();
      await replica.promote();
      const second = await after.acquire(name, { ttlMs: 60_000 });
      expect([first.isValid, second.isValid]).toEqual([true, true]);
      await demandGuarded(bench, name, first.token, second.token);
      await second.release();
      // Nobody has told the first one, whose master is gone.
      await first.release().catch(() => undefined);
      await Promise.all([before.close(), after.close()]);
    });

    test('a replica that has heard of it keeps the second out', async () => {
      const name = nameOf('heard');
      const before = new Locks(bench.open(master));
      const after = new Locks(bench.open(replica));
      const first = await before.acquire(name, { ttlMs: 60_000 });
      await replica.caughtUp(master);
      await master.kill();
      await replica.promote();
      expect(await after.attempt(name)).toBeNull();
      await first.release();
      await Promise.all([before.close(), after.close()]);
    });
  });
}
