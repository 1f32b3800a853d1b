/** What every store of locks does, against its real server, in good days and bad ones. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Attempt, LockClass, LockStore, TokenOf, Wish } from '../../src/locks/lock.js';

/** So long that nothing in a test ends by it. */
const LONG_MS = 600_000;
const SHORT_MS = 250;
const PATIENCE_MS = 20_000;

/** A store with its server, for one test file. */
export interface LockBench<C extends LockClass> {
  /** With connections of its own, as another process has it; the suite closes it. Quick to give up: a second or less. */
  open(): LockStore<C>;
  /** All that keeps locks answers nothing any more, and keeps its connections, until `thaw`. */
  freeze(): void | Promise<void>;
  thaw(): void | Promise<void>;
  /** As a crash does. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /**
   * A write as a service does it that is guarded by the lock: whether it took effect. Null for a store of the class
   * `efficiency`, which guards nothing.
   */
  readonly write: ((name: string, token: TokenOf<C>) => Promise<boolean>) | null;
  close(): Promise<void>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Of a lock of the class `correctness`: what was taken over is kept out, and the one who took over is let in. */
export async function demandGuarded<C extends LockClass>(
  { write }: Pick<LockBench<C>, 'write'>,
  name: string,
  old: TokenOf<C>,
  next: TokenOf<C>,
): Promise<void> {
  if (write === null) return;
  expect(await write(name, old)).toBe(false);
  expect(await write(name, next)).toBe(true);
  expect(await write(name, old)).toBe(false);
}

export function nameOf(what: string): string {
  return `${what}-${randomUUID()}`;
}

export function wishFor(name: string, ttlMs = LONG_MS): Mutable<Wish> {
  return { name, owner: randomUUID(), node: 'north/17', ttlMs };
}

/**
 * The token, once the lock can be had. Each attempt after the first has an owner of its own, as the store demands: what
 * undoes an attempt may come when the next one is there. The wish is then that of the attempt that got it.
 */
export async function taken<C extends LockClass>(store: LockStore<C>, wish: Mutable<Wish>): Promise<TokenOf<C>> {
  let attempts = 0;
  return await sooner(async () => {
    if (attempts++ > 0) wish.owner = randomUUID();
    return tokenIn(await store.acquire(wish).catch(() => null));
  });
}

/** Until the store has said so: a server that a busy machine lets answer too late leaves a majority in doubt. */
async function givenBack<C extends LockClass>(store: LockStore<C>, wish: Wish): Promise<void> {
  let doubts = 0;
  const wasHeld = await sooner(() =>
    store.release(wish).catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'TERCET_LOCK_UNAVAILABLE' });
      doubts += 1;
      return null;
    }),
  );
  expect(wasHeld || doubts > 0).toBe(true);
}

/** What `look` finds, once it finds something. */
export async function sooner<T>(look: () => Promise<T | null>): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (performance.now() > deadline) throw new Error('it did not come about');
    await pause(5);
  }
}

/** Null: it is held. */
function tokenIn<C extends LockClass>(attempt: Attempt<C> | null): TokenOf<C> | null {
  return attempt && 'token' in attempt ? attempt.token : null;
}

/**
 * @param describeIt what skips the tests where the server cannot be had
 * @param start called once
 */
export function describeLockStore<C extends LockClass>(
  title: string,
  describeIt: typeof describe,
  start: () => Promise<LockBench<C>>,
): void {
  describeIt(`a store of locks: ${title}`, () => {
    let bench: LockBench<C>;
    let opened: LockStore<C>[] = [];
    let store: LockStore<C>;
    let other: LockStore<C>;
    const open = (): LockStore<C> => {
      const one = bench.open();
      opened.push(one);
      return one;
    };

    beforeAll(async () => {
      bench = await start();
    });
    afterAll(() => bench.close());
    beforeEach(() => {
      store = open();
      other = open();
    });
    afterEach(async () => {
      await Promise.all(opened.map((each) => each.close()));
      opened = [];
    });

    describe('mutual exclusion', () => {
      test('of many contenders with several connections one is inside, and tokens rise', async () => {
        const name = nameOf('hot');
        const stores = [store, other, open(), open()];
        const tokens: number[] = [];
        let inside = 0;
        const contend = async (mine: LockStore<C>): Promise<void> => {
          const wish = wishFor(name);
          const token = await taken(mine, wish);
          inside += 1;
          expect(inside).toBe(1);
          tokens.push(token);
          await pause(1);
          inside -= 1;
          await givenBack(mine, wish);
        };
        await Promise.all(stores.flatMap((each) => [1, 2, 3, 4, 5].map(() => contend(each))));
        expect(tokens).toHaveLength(20);
        expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
      });

      test('who comes second is told for how long at most it is held, renewals aside', async () => {
        const wish = wishFor(nameOf('held'), 30_000);
        await taken(store, wish);
        const answer = await other.acquire(wishFor(wish.name));
        expect(answer).toEqual(expect.objectContaining({ heldForMs: expect.any(Number) }));
        const { heldForMs } = answer as { heldForMs: number };
        expect(heldForMs).toBeGreaterThan(0);
        expect(heldForMs).toBeLessThanOrEqual(30_000);
      });

      test('a lock that ended by itself goes to the next, and its token is old then', async () => {
        const wish = wishFor(nameOf('ended'), SHORT_MS);
        const old = await taken(store, wish);
        const next = wishFor(wish.name);
        const token = await taken(other, next);
        expect(token).toBeGreaterThan(old);
        expect(await store.renew(wish)).toBe(false);
        expect(await store.release(wish)).toBe(false);
        expect(await other.show(wish.name)).toMatchObject({ owner: next.owner });
        await demandGuarded(bench, wish.name, old, token);
      });

      test('locks of other names are other locks, whatever stands in the names', async () => {
        const tail = randomUUID();
        const names = ['a', 'A', '*', 'a:b', 'a.b', 'a_b', 'a-b'].map((each) => `${each.replace('*', '.')}${tail}`);
        const longest = 'x'.repeat(127);
        const all = [...new Set(names), `${longest}y`, `${longest}z`, 'q', 'Q', ':', '.', '-', '_'];
        const wishes = all.map((name) => wishFor(name));
        for (const wish of wishes) await taken(store, wish);
        for (const { name, owner } of wishes) expect(await other.show(name)).toMatchObject({ name, owner });
        for (const wish of wishes) expect(await store.release(wish)).toBe(true);
      });
    });

    describe('its owner alone', () => {
      test('renews it', async () => {
        const wish = wishFor(nameOf('renewed'), 20_000);
        await taken(store, wish);
        expect(await other.renew(wishFor(wish.name))).toBe(false);
        const before = await store.show(wish.name);
        expect(before!.until - before!.since).toBeLessThanOrEqual(20_000 + 1);
        expect(await store.renew({ ...wish, ttlMs: LONG_MS })).toBe(true);
        const after = await store.show(wish.name);
        expect(after!.until - after!.since).toBeGreaterThan(LONG_MS / 2);
        expect(after).toMatchObject({ owner: wish.owner, token: before!.token, since: before!.since });
      });

      test('gives it back, once, and then it is free', async () => {
        const wish = wishFor(nameOf('released'));
        const old = await taken(store, wish);
        expect(await other.release(wishFor(wish.name))).toBe(false);
        expect(await other.show(wish.name)).toMatchObject({ owner: wish.owner });
        expect(await other.release(wish)).toBe(true);
        expect(await other.show(wish.name)).toBeNull();
        expect(await store.release(wish)).toBe(false);
        expect(await store.renew(wish)).toBe(false);
        const next = wishFor(wish.name);
        const token = await taken(other, next);
        expect(await store.release(wish)).toBe(false);
        await demandGuarded(bench, wish.name, old, token);
      });
    });

    describe('who waits', () => {
      const listening = async (where: LockStore<C>, name: string) => {
        let wakes = 0;
        const stop = where.watch(name, () => (wakes += 1));
        await sooner(async () => (wakes > 0 ? true : null));
        return { stop, wakes: () => wakes };
      };

      test('is woken when the lock is given back or taken away, and not by other locks', async () => {
        const wish = wishFor(nameOf('watched'));
        const unrelated = wishFor(nameOf('unrelated'));
        await taken(store, wish);
        await taken(store, unrelated);
        const one = await listening(other, wish.name);
        const two = await listening(other, wish.name);
        const quiet = await listening(other, unrelated.name);
        const before = [one.wakes(), two.wakes(), quiet.wakes()] as const;
        await store.release(wish);
        await sooner(async () => (one.wakes() > before[0] && two.wakes() > before[1] ? true : null));
        one.stop();
        const ended = one.wakes();
        await taken(store, { ...wish, owner: randomUUID() });
        const again = two.wakes();
        await store.seize(wish.name);
        await sooner(async () => (two.wakes() > again ? true : null));
        expect(one.wakes()).toBe(ended);
        expect(quiet.wakes()).toBe(before[2]);
        two.stop();
        quiet.stop();
      });

      test('may stop, twice even, and wait anew', async () => {
        const wish = wishFor(nameOf('anew'));
        await taken(store, wish);
        const first = await listening(other, wish.name);
        first.stop();
        first.stop();
        const second = await listening(other, wish.name);
        const before = second.wakes();
        await store.release(wish);
        await sooner(async () => (second.wakes() > before ? true : null));
        second.stop();
      });
    });

    describe('people', () => {
      test('see who has which lock since when, by the beginning of its name', async () => {
        const common = nameOf('list');
        const startedAt = Date.now();
        const wishes = ['a', 'b', 'c'].map((each) => wishFor(`${common}.${each}`, 60_000));
        const tokens = new Map<string, number>();
        for (const wish of wishes) tokens.set(wish.name, await taken(store, wish));
        await taken(store, wishFor(nameOf('elsewhere')));
        const all = await other.list({ prefix: `${common}.`, limit: 10 });
        expect(all).toEqual(
          wishes.map(({ name, owner, node }) => {
            return { name, owner, node, token: tokens.get(name), since: expect.any(Number), until: expect.any(Number) };
          }),
        );
        expect(await other.show(wishes[1]!.name)).toMatchObject({ owner: wishes[1]!.owner, since: all[1]!.since });
        // Servers here share the clock of the machine.
        expect(Math.abs(all[0]!.since - startedAt)).toBeLessThan(PATIENCE_MS);
        expect(Math.abs(all[0]!.until - all[0]!.since - 60_000)).toBeLessThan(PATIENCE_MS);
        expect(await other.list({ prefix: `${common}.`, limit: 2 })).toHaveLength(2);
        expect(await other.list({ prefix: `${common}.b`, limit: 10 })).toHaveLength(1);
        expect(await other.list({ prefix: `${common}.*`, limit: 10 })).toEqual([]);
        expect(await other.show(`${common}.d`)).toBeNull();
      });

      test('take it from whoever has it', async () => {
        const wish = wishFor(nameOf('seized'));
        const old = await taken(store, wish);
        expect(await other.seize(wish.name)).toMatchObject({ owner: wish.owner, node: wish.node, token: old });
        expect(await other.seize(wish.name)).toBeNull();
        expect(await store.renew(wish)).toBe(false);
        const token = await taken(other, wishFor(wish.name));
        expect(token).toBeGreaterThan(old);
        expect(await store.release(wish)).toBe(false);
        await demandGuarded(bench, wish.name, old, token);
      });
    });

    describe('its server', () => {
      const away = expect.objectContaining({ code: 'TERCET_LOCK_UNAVAILABLE' });

      test('is frozen: every call ends and says so, and leaves nothing behind after the thaw', async () => {
        const name = nameOf('frozen');
        const held = wishFor(nameOf('meanwhile'), SHORT_MS);
        await taken(store, wishFor(nameOf('warm')));
        const old = await taken(store, held);
        await bench.freeze();
        try {
          await expect(store.acquire(wishFor(name))).rejects.toEqual(away);
          await expect(other.acquire(wishFor(name))).rejects.toEqual(away);
          await expect(store.renew(held)).rejects.toEqual(away);
          await expect(store.release(held)).rejects.toEqual(away);
          await expect(store.show(name)).rejects.toEqual(away);
          await expect(store.list({ prefix: name, limit: 10 })).rejects.toEqual(away);
        } finally {
          await bench.thaw();
        }
        await taken(open(), wishFor(name));
        const token = await taken(other, wishFor(held.name));
        await demandGuarded(bench, held.name, old, token);
        expect(await sooner(() => store.show(name).catch(() => null))).toMatchObject({ name });
      });

      test('ends and starts again: the store works again by itself', async () => {
        const held = wishFor(nameOf('restarted'), SHORT_MS);
        const old = await taken(store, held);
        const before = await taken(other, wishFor(nameOf('warm')));
        await bench.kill();
        try {
          await expect(store.acquire(wishFor(nameOf('gone')))).rejects.toEqual(away);
          await expect(other.show(held.name)).rejects.toEqual(away);
        } finally {
          await bench.restart();
        }
        expect(before).toBeGreaterThan(0);
        const token = await taken(store, wishFor(held.name));
        const watched = wishFor(nameOf('heard'));
        await taken(other, watched);
        let wakes = 0;
        const stop = store.watch(watched.name, () => (wakes += 1));
        await sooner(async () => (wakes > 0 ? true : null));
        stop();
        await demandGuarded(bench, held.name, old, token);
      });
    });

    test('is closed: every call says so', async () => {
      const closed = bench.open();
      await taken(closed, wishFor(nameOf('closing')));
      await closed.close();
      await expect(closed.acquire(wishFor(nameOf('closed')))).rejects.toMatchObject({
        code: 'TERCET_LOCK_UNAVAILABLE',
        detail: expect.stringContaining('closed') as string,
      });
    });
  });
}
