/** Waiting, renewing and losing, over a store and a clock that do what the test says. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Held } from '../../src/locks/held.js';
import { Locks } from '../../src/locks/locks.js';
import type { LockOptions } from '../../src/locks/locks.js';
import { CodedError } from '../../src/platform/coded-error.js';
import { ManualClock } from '../participants/manual-clock.js';
import { ScriptedStore } from './scripted-store.js';

const TTL_MS = 1000;
const LOST = expect.objectContaining({ code: 'TERCET_LOCK_LOST' });
const HELD = expect.objectContaining({ code: 'TERCET_LOCK_HELD' });
const AWAY = expect.objectContaining({ code: 'TERCET_LOCK_UNAVAILABLE' });
const away = (): never => {
  throw new CodedError('TERCET_LOCK_UNAVAILABLE', 'the store is away');
};
const never = (): Promise<never> => new Promise(() => undefined);

let store: ScriptedStore;
let clock: ManualClock;
let locks: Locks<'efficiency'>;
const told: [string, string][] = [];

beforeEach(() => {
  store = new ScriptedStore();
  clock = new ManualClock();
  told.length = 0;
  const observer = {
    waited: (name: string, _ms: number, outcome: string) => told.push([name, outcome]),
    ended: (name: string, _ms: number, isLost: boolean) => told.push([name, isLost ? 'lost' : 'given back']),
  };
  locks = new Locks(store, { clock, node: 'here', observer });
});

const acquire = (options: LockOptions = {}): Promise<Held> => locks.acquire('a', { ttlMs: TTL_MS, ...options });
/** Everything that can go on without time passing has. */
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await turn();
}

async function pass(ms: number): Promise<void> {
  for (let leftMs = ms; leftMs > 0; leftMs -= 10) {
    clock.pass(10);
    await settled();
  }
}

describe('waiting', () => {
  test('within a process the lock goes round in the order of asking, woken and not by looking', async () => {
    const order: number[] = [];
    const first = await acquire();
    const others = [1, 2, 3].map((place) => locks.run('a', { ttlMs: TTL_MS }, async () => void order.push(place)));
    await settled();
    await first.release();
    await Promise.all(others);
    expect(order).toEqual([1, 2, 3]);
    expect(clock.now()).toBe(new ManualClock().now());
  });

  test('who only looks is told at once, whoever else waits', async () => {
    const held = await acquire();
    const waiting = acquire();
    expect(await locks.attempt('a')).toBeNull();
    await held.release();
    await (await waiting).release();
    await (await locks.attempt('a'))?.release();
    expect(told.filter(([, outcome]) => outcome === 'got')).toHaveLength(3);
  });

  test('who is not woken looks by himself', async () => {
    await acquire();
    const waiting = acquire({ waitMs: 5000 });
    await settled();
    store.owner = null;
    await pass(1300);
    expect((await waiting).isValid).toBe(true);
  });

  test('a deadline ends the waiting, and nothing is left behind', async () => {
    const held = await acquire({ ttlMs: 100_000 });
    const [first, second] = [acquire({ waitMs: 500 }), acquire({ waitMs: 700 })];
    const refused = [expect(first).rejects.toEqual(HELD), expect(second).rejects.toEqual(HELD)];
    await pass(800);
    await Promise.all(refused);
    expect(store.watchers.size).toBe(0);
    await held.release();
    expect(clock.pending).toBe(0);
    expect(told).toEqual([...['got', 'held', 'held', 'given back'].map((outcome) => ['a', outcome])]);
  });

  test('a signal ends the waiting with its reason, also of one further back in the line', async () => {
    const held = await acquire();
    const stop = new AbortController();
    const waiting = [acquire({ signal: stop.signal }), acquire({ signal: stop.signal })];
    const last = acquire();
    await settled();
    const ended = waiting.map((each) => expect(each).rejects.toThrow('no more'));
    stop.abort(new Error('no more'));
    await Promise.all(ended);
    await held.release();
    await (await last).release();
    expect(store.watchers.size + clock.pending).toBe(0);
    await expect(acquire({ signal: stop.signal })).rejects.toThrow('no more');
  });

  test('who leaves from further back in the line lets the first one sleep', async () => {
    await acquire();
    const waiting = acquire();
    await settled();
    const asked = store.owners.length;
    const stop = new AbortController();
    const left = expect(acquire({ signal: stop.signal })).rejects.toThrow('no more');
    stop.abort(new Error('no more'));
    await left;
    await settled();
    expect(store.owners).toHaveLength(asked);
    await locks.close();
    await expect(waiting).rejects.toEqual(AWAY);
  });

  test('a lock that comes after its waiter left is given back', async () => {
    let answer = (): void => undefined;
    store.before = (call) =>
      call === 'acquire' ? new Promise<void>((resolve) => (answer = resolve)) : Promise.resolve();
    const stop = new AbortController();
    const waiting = acquire({ signal: stop.signal });
    await settled();
    stop.abort(new Error('no more'));
    answer();
    await expect(waiting).rejects.toThrow('no more');
    expect([store.owner, clock.pending]).toEqual([null, 0]);
  });

  test('a store that is away is asked again until the deadline, each time as another owner', async () => {
    store.before = async (call) =>
      call === 'acquire' && store.owners.length < 2 ? (store.owners.push('away'), away()) : undefined;
    const waiting = acquire();
    await pass(3000);
    await (await waiting).release();
    store.before = away;
    const waitingInVain = expect(acquire({ waitMs: 500 })).rejects.toEqual(AWAY);
    await pass(600);
    await waitingInVain;
    await expect(locks.attempt('a')).rejects.toEqual(AWAY);
  });

  test('every attempt is another owner, so that undoing a late one undoes no later one', async () => {
    await acquire({ ttlMs: 100_000 });
    const refused = expect(acquire({ waitMs: 4000 })).rejects.toEqual(HELD);
    await pass(4100);
    await refused;
    expect(store.owners.length).toBeGreaterThan(3);
    expect(new Set(store.owners).size).toBe(store.owners.length);
  });

  test('closing ends it', async () => {
    await acquire();
    const ended = expect(acquire()).rejects.toEqual(AWAY);
    await settled();
    await locks.close();
    await ended;
    await expect(acquire()).rejects.toEqual(AWAY);
  });

  test('a lock that comes after the locks were closed is given back, before the store is', async () => {
    let answer = (): void => undefined;
    let isClosed = false;
    store.before = async (call) => {
      if (isClosed) away();
      if (call === 'acquire') await new Promise<void>((resolve) => (answer = resolve));
    };
    store.close = async () => void (isClosed = true);
    const waiting = expect(acquire()).rejects.toEqual(AWAY);
    await settled();
    const closing = locks.close();
    await settled();
    answer();
    await Promise.all([waiting, closing]);
    expect([store.owner, isClosed]).toEqual([null, true]);
  });

  test.each([
    ['name', () => locks.acquire('a b')],
    ['ttlMs', () => acquire({ ttlMs: 99 })],
    ['waitMs', () => acquire({ waitMs: -1 })],
    ['waitMs', () => acquire({ waitMs: NaN })],
  ])('a %s out of bounds is refused', async (name, call) => {
    await expect(call()).rejects.toThrow(name);
    expect(store.owners).toEqual([]);
  });
});

describe('holding', () => {
  test('it is renewed long before it ends', async () => {
    const held = await acquire();
    await pass(10 * TTL_MS);
    expect([held.isValid, held.signal.aborted, store.renewals]).toEqual([true, false, 29]);
    held.check();
    await held.release();
    expect(clock.pending).toBe(0);
    expect(() => held.check()).toThrow(/given back/);
    expect(held.isValid).toBe(false);
    await held.release();
  });

  test.each([
    ['says nothing', never],
    ['is away', async () => away()],
  ])('a store that %s: the holder is told before the lifetime ends', async (_what, before) => {
    const held = await acquire();
    store.before = before;
    await pass(TTL_MS * 0.85);
    expect(held.signal.aborted).toBe(false);
    await pass(TTL_MS * 0.1);
    expect(held.signal.reason).toEqual(LOST);
    expect(() => held.check()).toThrow(/not renewed in time/);
  });

  test('a store that comes back in time loses nothing', async () => {
    const held = await acquire();
    store.before = async () => away();
    await pass(TTL_MS * 0.7);
    store.before = async () => undefined;
    await pass(TTL_MS * 3);
    expect(held.isValid).toBe(true);
  });

  test('the lifetime counts from before the store was asked', async () => {
    store.before = async (call) => {
      if (call === 'acquire') clock.pass(500);
      else await never();
    };
    const held = await acquire();
    await pass(390);
    expect(held.isValid).toBe(true);
    await pass(20);
    expect(held.signal.aborted).toBe(true);
  });

  test('so does that of a renewal', async () => {
    const held = await acquire();
    store.before = async () => {
      clock.pass(300);
      store.before = never;
    };
    await pass(340);
    expect(store.renewals).toBe(1);
    // Asked at 340, answered at 640.
    await pass(590);
    expect(held.isValid).toBe(true);
    await pass(20);
    expect(held.signal.aborted).toBe(true);
  });

  test('what the store takes from the lifetime is taken from that of each renewal, too', async () => {
    store.lessMs = 200;
    const held = await acquire();
    await pass(400);
    expect(store.renewals).toBe(1);
    store.before = never;
    await pass(600);
    expect(held.isValid).toBe(true);
    await pass(60);
    expect(held.isValid).toBe(false);
  });

  test('a lock that took longer to get than it lives is given back, and not had', async () => {
    store.before = async (call) => {
      if (call === 'acquire') clock.pass(TTL_MS * 0.9);
    };
    await expect(locks.attempt('a', { ttlMs: TTL_MS })).rejects.toEqual(AWAY);
    expect([store.owner, clock.pending]).toEqual([null, 0]);
  });

  test('a process that was frozen knows before any of its timers ran', async () => {
    const held = await acquire();
    clock.freeze(TTL_MS);
    expect(held.isValid).toBe(false);
    expect(() => held.check()).toThrow(CodedError);
    expect(held.signal.aborted).toBe(true);
  });

  test('somebody else’s lock is noticed when it should be renewed', async () => {
    const held = await acquire();
    store.owner = 'somebody else';
    await pass(TTL_MS * 0.4);
    expect(held.signal.reason).toEqual(LOST);
    await expect(held.release()).rejects.toEqual(LOST);
    expect(store.owner).toBe('somebody else');
  });
});

describe('run', () => {
  const run = <T>(work: (held: Held) => Promise<T>): Promise<T> => locks.run('a', { ttlMs: TTL_MS }, work);

  test('gives the lock back with what the work gave', async () => {
    expect(await run(async ({ token }) => token)).toBe(1);
    expect([store.owner, clock.pending]).toEqual([null, 0]);
  });

  test('gives the lock back where the work fails, with the error of the work', async () => {
    await expect(run(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect([store.owner, clock.pending]).toEqual([null, 0]);
  });

  test('ends with an error where the lock was lost, though the work noticed nothing', async () => {
    await expect(run(async () => void (store.owner = 'somebody else'))).rejects.toEqual(LOST);
    store.owner = null;
    await expect(run(async () => clock.freeze(TTL_MS))).rejects.toEqual(LOST);
    expect(told.at(-1)).toEqual(['a', 'lost']);
  });

  test('work that fails for the loss of its lock ends with that loss, and its own error as the cause', async () => {
    const failed = run(async () => {
      clock.freeze(TTL_MS);
      throw new Error('broken');
    });
    await expect(failed).rejects.toEqual(LOST);
    await expect(failed).rejects.toHaveProperty('cause.message', 'broken');
    await expect(
      run(async ({ check }) => {
        clock.freeze(TTL_MS);
        check();
      }),
    ).rejects.toEqual(LOST);
  });

  test('a store that is away at the end makes no error of work that was done in time', async () => {
    const done = run(async () => {
      store.before = async () => away();
      return 7;
    });
    expect(await done).toBe(7);
  });
});
