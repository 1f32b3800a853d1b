/** What becomes of those who hold a lock when they, or the store, fail; with real processes, frozen and killed. */
import { Locks } from '../../src/locks/locks.js';
import type { LockClass, LockStore, TokenOf } from '../../src/locks/lock.js';
import { until } from '../client/until.js';
import { LockProcess } from './lock-process.js';
import type { StoreSpec } from './lock-process.js';
import { demandGuarded, nameOf, taken, wishFor } from './lock-store.suite.js';
import type { LockBench } from './lock-store.suite.js';

/** Longer than a busy machine makes a renewal wait. */
const TTL_MS = 2000;
const LOST = expect.objectContaining({ code: 'TERCET_LOCK_LOST' });

export interface HolderBench<C extends LockClass> extends LockBench<C> {
  /** The same store, for another process. */
  readonly spec: StoreSpec;
}

/** @param start called once */
export function describeHolders<C extends LockClass>(
  title: string,
  describeIt: typeof describe,
  start: () => Promise<HolderBench<C>>,
): void {
  describeIt(`holders of locks: ${title}`, () => {
    let bench: HolderBench<C>;
    let store: LockStore<C>;
    let locks: Locks<C>;
    const processes: LockProcess[] = [];

    beforeAll(async () => {
      bench = await start();
    });
    afterAll(() => bench.close());
    beforeEach(() => {
      store = bench.open();
      locks = new Locks(store);
    });
    afterEach(async () => {
      await Promise.all(processes.splice(0).map((each) => each.kill()));
      await locks.close();
    });

    async function holder(name: string): Promise<{ process: LockProcess; token: TokenOf<C> }> {
      const process = await LockProcess.start(bench.spec);
      processes.push(process);
      const { token } = await process.order('hold', { name, ttlMs: TTL_MS });
      return { process, token: token as TokenOf<C> };
    }

    test('one that is frozen loses it, and once thawed knows before it does anything', async () => {
      const name = nameOf('holder-frozen');
      const { process, token: old } = await holder(name);
      process.freeze();
      const held = await locks.acquire(name, { ttlMs: 20_000 });
      expect(held.token).toBeGreaterThan(old);
      const acted = process.order('act');
      process.thaw();
      expect(await acted).toEqual({ failed: 'act', code: 'TERCET_LOCK_LOST' });
      const told = process.said.findIndex((word) => word.told === 'TERCET_LOCK_LOST');
      expect(told).toBeGreaterThan(-1);
      expect(told).toBeLessThan(process.said.findIndex(({ failed }) => failed === 'act'));
      expect(await process.order('end')).toEqual({ failed: 'end', code: 'TERCET_LOCK_LOST' });
      await demandGuarded(bench, name, old, held.token);
      // What the first gave back was not the lock of the second.
      expect(await store.show(name)).toMatchObject({ token: held.token });
      await held.release();
    });

    test('one that lives keeps it for longer than its lifetime, and acts', async () => {
      const name = nameOf('holder-lives');
      const { process, token } = await holder(name);
      const before = await store.show(name);
      // Renewed for its second lifetime.
      await until('it was renewed', async () => {
        const now = await store.show(name);
        return now !== null && now.until > before!.until + TTL_MS;
      });
      expect(await locks.attempt(name)).toBeNull();
      expect(await process.order('act')).toEqual({ done: 'act' });
      if (bench.write) expect(await bench.write(name, token)).toBe(true);
      expect(await process.order('end')).toEqual({ done: 'end' });
      expect(await store.show(name)).toBeNull();
    });

    test('one that is killed loses it to who waits', async () => {
      const name = nameOf('holder-killed');
      const { process, token: old } = await holder(name);
      const waiting = locks.acquire(name, { ttlMs: 20_000 });
      await process.kill();
      const held = await waiting;
      expect(held.token).toBeGreaterThan(old);
      await demandGuarded(bench, name, old, held.token);
      await held.release();
    });

    test('one whose lock is taken away by a person is told', async () => {
      const name = nameOf('holder-seized');
      const { process, token: old } = await holder(name);
      await store.seize(name);
      const held = await locks.acquire(name, { ttlMs: 20_000 });
      await until('it was told', async () => process.said.some((word) => word.told === 'TERCET_LOCK_LOST'));
      expect(await process.order('act')).toEqual({ failed: 'act', code: 'TERCET_LOCK_LOST' });
      await demandGuarded(bench, name, old, held.token);
      await held.release();
    });

    test('several processes want it: everybody gets it, within a process in the order of asking, and no process is left behind', async () => {
      const name = nameOf('hot');
      const [count, waiters, rounds] = [4, 3, 10];
      const all = await Promise.all(Array.from({ length: count }, () => LockProcess.start(bench.spec)));
      processes.push(...all);
      const answers = await Promise.all(all.map((each) => each.order('contend', { name, waiters, rounds })));
      expect(answers).toEqual(Array.from({ length: count }, () => ({ done: 'contend' })));
      const turns = all.flatMap(({ said }, by) => {
        return said.flatMap(({ waiter, token }) => (token === undefined ? [] : [{ by, waiter, token }]));
      });
      turns.sort((a, b) => a.token - b.token);
      expect(new Set(turns.map(({ token }) => token)).size).toBe(count * waiters * rounds);
      for (const [by, { said }] of all.entries()) {
        const own = turns.filter((turn) => turn.by === by).map(({ waiter }) => waiter);
        // Who gives back may ask again after the next one has: his answer was slower.
        expect(own).toEqual(said.flatMap(({ asks }) => (asks === undefined ? [] : [asks])));
      }
      // When the first process has had all its turns, every other has had some part of them.
      const last = all.map((_, by) => turns.findLastIndex((turn) => turn.by === by));
      const sofar = turns.slice(0, Math.min(...last));
      const shares = [...all.keys()].map((by) => sofar.filter((turn) => turn.by === by).length);
      const isLeftBehind = shares.some((share) => share < (waiters * rounds) / 10);
      expect({ shares, isLeftBehind }).toEqual({ shares, isLeftBehind: false });
    });

    test.each([
      ['is frozen', () => bench.freeze(), () => bench.thaw()],
      ['ends', () => bench.kill(), () => bench.restart()],
    ])('one whose store %s is told before anybody else gets the lock', async (_what, fail, mend) => {
      const name = nameOf('store-fails');
      let old!: TokenOf<C>;
      const run = locks.run(name, { ttlMs: TTL_MS }, async ({ token, signal }) => {
        old = token;
        await fail();
        await until('it is told', async () => signal.aborted);
      });
      await expect(run).rejects.toEqual(LOST);
      await mend();
      const other = bench.open();
      const token = await taken(other, wishFor(name));
      await demandGuarded(bench, name, old, token);
      await other.close();
    });
  });
}
