/** Segmented locks over PostgreSQL: nothing is taken twice, nothing is left, and nobody waits for a frozen segment alone. */
import pg from 'pg';
import type { FencingToken } from '../../../src/locks/lock.js';
import type { Held } from '../../../src/locks/held.js';
import { Locks } from '../../../src/locks/locks.js';
import { PostgresLocks } from '../../../src/locks/postgres.js';
import { installLocks } from '../../../src/locks/schema.js';
import { NOTHING_HERE, SegmentedLock } from '../../../src/locks/segments.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';

let database: TestDatabase;
let pool: pg.Pool;
let locks: Locks<'correctness'>;
let others: Locks<'correctness'>;
let count = 0;

beforeAll(async () => {
  database = await createDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 20 }).on('error', () => undefined);
  const client = await pool.connect();
  await installLocks(client);
  client.release();
  locks = new Locks(new PostgresLocks({ pool }));
  others = new Locks(new PostgresLocks({ pool }));
});
afterAll(async () => {
  await Promise.all([locks.close(), others.close()]);
  await pool.end();
  await database.drop();
});

/** A segmented lock of its own for each test. */
function segmented(segments: number, by = locks): { lock: SegmentedLock<'correctness'>; name: string } {
  const name = `segments-${(count += by === locks ? 1 : 0)}`;
  return { lock: new SegmentedLock(by, name, segments), name };
}

test('what is spread over segments is taken once and wholly, by more than there are segments, of two processes', async () => {
  const left = [5, 1, 0, 14];
  const tokens = left.map((): FencingToken[] => []);
  let inside = 0;
  let most = 0;
  const take = async (lock: SegmentedLock<'correctness'>): Promise<number> => {
    const taken = await lock.run({}, async ({ segment, token }) => {
      const found = left[segment] ?? 0;
      most = Math.max(most, (inside += 1));
      tokens[segment]?.push(token);
      // Whoever is here as well takes the same one.
      await pool.query('SELECT 1');
      inside -= 1;
      if (found === 0) return NOTHING_HERE;
      left[segment] = found - 1;
      return 1;
    });
    return taken === NOTHING_HERE ? 0 : taken + (await take(lock));
  };
  const [one, two] = [segmented(4).lock, segmented(4, others).lock];
  const taken = await Promise.all([one, two, one, two, one, two, one, two].map(take));
  expect(taken.reduce((sum, each) => sum + each, 0)).toBe(20);
  expect(left).toEqual([0, 0, 0, 0]);
  expect(most).toBeGreaterThan(1);
  for (const each of tokens) expect(each).toEqual([...each].sort((a, b) => a - b));
});

test('when each segment was looked at once, and none has anything, that is the answer', async () => {
  const seen: number[] = [];
  const answer = segmented(5).lock.run({}, async ({ segment }) => {
    seen.push(segment);
    return NOTHING_HERE;
  });
  expect(await answer).toBe(NOTHING_HERE);
  expect(seen.sort()).toEqual([0, 1, 2, 3, 4]);
});

test('segments that the caller prefers come first, and the others after them', async () => {
  const seen: number[] = [];
  await segmented(8).lock.run({ prefer: [6, 3] }, async ({ segment }) => {
    seen.push(segment);
    return NOTHING_HERE;
  });
  expect(seen.slice(0, 2).sort()).toEqual([3, 6]);
  expect(seen.sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test('a segment whose holder died keeps nobody from the others, and is waited for when only it may have something', async () => {
  const { lock, name } = segmented(3);
  // As a process leaves it that was killed: taken, and never renewed.
  await locks.store.acquire({ name: `${name}:1`, owner: 'gone', node: 'gone', ttlMs: 1500 });
  const seen: number[] = [];
  const answer = await lock.run({}, async ({ segment }) => {
    seen.push(segment);
    return segment === 1 ? 'the last piece' : NOTHING_HERE;
  });
  expect(answer).toBe('the last piece');
  expect(seen.at(-1)).toBe(1);
  expect(seen.slice(0, -1).sort()).toEqual([0, 2]);
});

test('what is not free in time is said: nothing here is no answer while a segment was not looked at', async () => {
  const { lock, name } = segmented(6);
  const held = await locks.acquire(`${name}:4`);
  const seen = new Set<number>();
  const looking = (waitMs: number) =>
    lock.run({ waitMs }, async ({ segment }) => {
      seen.add(segment);
      return NOTHING_HERE;
    });
  await expect(looking(0)).rejects.toMatchObject({ code: 'TERCET_LOCK_HELD' });
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 5]);
  await expect(looking(150)).rejects.toMatchObject({ code: 'TERCET_LOCK_HELD' });
  await held.release();
  expect(await looking(0)).toBe(NOTHING_HERE);
});

test('what the work throws comes out as it is, also where it is what a taken lock says, and leaves the segment free', async () => {
  const { lock, name } = segmented(2);
  const other = await locks.acquire(`${name}-other`);
  let ran = 0;
  const nested = lock.run({ waitMs: 500 }, () => {
    ran += 1;
    return locks.run(`${name}-other`, { waitMs: 0 }, async () => 1);
  });
  await expect(nested).rejects.toMatchObject({
    code: 'TERCET_LOCK_HELD',
    detail: expect.stringContaining(`${name}-other`),
  });
  expect(ran).toBe(1);
  await other.release();
  expect(await locks.store.list({ prefix: name, limit: 10 })).toEqual([]);
});

test('a segment that was taken away while the work went on ends with TERCET_LOCK_LOST, and its token guards nothing', async () => {
  const { lock, name } = segmented(2);
  const running = lock.run({ prefer: [0] }, async (held) => {
    await locks.store.seize(`${name}:0`);
    await others.run(`${name}:0`, {}, async ({ token }) => expect(token).toBeGreaterThan(held.token));
    return 'done';
  });
  await expect(running).rejects.toMatchObject({ code: 'TERCET_LOCK_LOST' });
});

test('who gives up waiting leaves nothing behind', async () => {
  const { lock, name } = segmented(2);
  const held = await Promise.all([0, 1].map((segment) => locks.acquire(`${name}:${segment}`)));
  const reason = new Error('nobody wants it any more');
  const giving = new AbortController();
  const waiting = lock.run({ signal: giving.signal }, async () => 'never');
  setImmediate(() => giving.abort(reason));
  await expect(waiting).rejects.toBe(reason);
  await Promise.all(held.map((each) => each.release()));
  expect(await locks.store.list({ prefix: name, limit: 10 })).toEqual([]);
});

test('when the locks are closed he who waits is told, and does not ask again and again', async () => {
  let asked = 0;
  class Counted extends Locks<'correctness'> {
    override acquire(...wanted: Parameters<Locks['acquire']>): Promise<Held<'correctness'>> {
      asked += 1;
      return super.acquire(...wanted);
    }
  }
  const mine = new Counted(new PostgresLocks({ pool }));
  const { lock, name } = segmented(1, mine);
  const held = await locks.acquire(`${name}:0`);
  const waiting = expect(lock.run({ waitMs: 1000 }, async () => 1)).rejects.toMatchObject({
    code: 'TERCET_LOCK_UNAVAILABLE',
  });
  await mine.close();
  await waiting;
  expect(asked).toBeLessThan(3);
  await held.release();
});

test.each([0, 1.5, 1025])('%d segments are none', (segments) => {
  expect(() => segmented(segments)).toThrow(RangeError);
});
