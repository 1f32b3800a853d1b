/** Segments of a real database: bought once, bought ahead, in steps that follow the rate. */
import pg from 'pg';
import { segment } from '../../src/ids/segment.js';
import type { Ids } from '../../src/ids/id.js';
import { until } from '../client/until.js';
import { Server } from '../e2e/server.js';
import { SteppedClock } from './stepped-clock.js';
import { idDatabase } from './tables.js';
import type { IdDatabase } from './tables.js';

const many = async (ids: Ids, count: number): Promise<string[]> => {
  const made = [];
  for (let index = 0; index < count; index += 1) made.push(await ids.next());
  return made;
};
const range = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => String(from + index));

describe('of a database that is there', () => {
  let database: IdDatabase;

  beforeEach(async () => {
    database = await idDatabase();
  });

  afterEach(() => database.drop());

  const sold = async (name = 'default'): Promise<number> => {
    const { rows } = await database.pool.query<{ next: string }>('SELECT next FROM tercet_id_segment WHERE name = $1', [
      name,
    ]);
    return Number(rows[0]?.next ?? 1) - 1;
  };

  test('the numbers begin at 1, have no gaps while it runs, and names do not share them', async () => {
    const [orders, bills] = ['order', 'bill'].map((name) => segment({ database: database.pool, name, step: 100 }));
    expect(await many(orders!, 1000)).toEqual(range(1, 1000));
    expect(await many(bills!, 3)).toEqual(['1', '2', '3']);
  });

  test('those who ask at once while nothing is left buy one segment, not one each', async () => {
    const ids = segment({ database: database.pool, step: 100 });
    const made = await Promise.all(Array.from({ length: 100 }, () => ids.next()));
    expect(made).toEqual(range(1, 100));
    expect(ids.facts().asked).toBeLessThanOrEqual(2);
  });

  test('the next segment is bought when a tenth of the present one is used, and not before', async () => {
    const ids = segment({ database: database.pool, step: 100 });
    await many(ids, 10);
    expect(await sold()).toBe(100);
    await ids.next();
    await until('the next segment is sold', async () => (await sold()) === 200);
    await until('it is here', async () => ids.facts().left === 189);
    await many(ids, 80);
    expect([await sold(), ids.facts().asked]).toEqual([200, 2]);
  });

  test('the step doubles while segments are used up faster than the target, up to its bound, and is halved again', async () => {
    const clock = new SteppedClock();
    const ids = segment({ database: database.pool, step: 100, targetMs: 1000, clock });
    const useUp = async (ms: number): Promise<number> => {
      const before = await sold();
      // To the end of the segment that is bought by then, and one of the next.
      while (ids.facts().left! > 0 || (await sold()) === before) {
        await ids.next();
        clock.pass(ms / 100);
        if ((await sold()) !== before) break;
      }
      return (await sold()) - before;
    };
    const steps: number[] = [];
    for (let round = 0; round < 6; round += 1) steps.push(await useUp(10));
    expect(steps[0]).toBe(100);
    expect(Math.max(...steps)).toBeGreaterThanOrEqual(400);
    const fast = Math.max(...steps);
    let slow = fast;
    for (let round = 0; round < 4; round += 1) slow = await useUp(100_000);
    expect(slow).toBeLessThan(fast);
  }, 30_000);

  test('a step beyond its bounds is refused', () => {
    for (const step of [99, 1_000_001, 100.5])
      expect(() => segment({ database: database.pool, step })).toThrow(RangeError);
  });

  test('numbers of more than 63 bits are refused in words', async () => {
    await database.pool.query(`INSERT INTO tercet_id_segment VALUES ('default', 9223372036854775800)`);
    const refused = segment({ database: database.pool }).next();
    await expect(refused).rejects.toMatchObject({ code: 'TERCET_ID_UNSAFE' });
  });

  test('without the tables it says what is missing', async () => {
    await database.pool.query('DROP TABLE tercet_id_segment');
    await expect(segment({ database: database.pool }).next()).rejects.toMatchObject({
      code: 'TERCET_ID_UNAVAILABLE',
      detail: expect.stringContaining('tercet_id_segment') as string,
    });
  });
});

test.each(['dies', 'is frozen'])(
  'when the database %s it goes on for what is bought, says so, and comes back',
  async (how) => {
    const server = await Server.start();
    const database = await idDatabase(server.url);
    try {
      const ids = segment({ database: database.pool, step: 100 });
      const made = await many(ids, 11);
      await until('the next segment is here', async () => ids.facts().left === 189);
      await (how === 'dies' ? server.crash() : server.freeze());
      made.push(...(await many(ids, 189)));
      expect(ids.facts().left).toBe(0);
      await expect(ids.next()).rejects.toMatchObject({ code: 'TERCET_ID_UNAVAILABLE' });
      expect(ids.warnings()).toEqual([expect.stringMatching(/^ids: the database does not give new ones, 0 are left$/)]);
      await (how === 'dies' ? server.start() : server.thaw());
      const next = (): Promise<boolean> =>
        ids.next().then(
          (id) => made.push(id) > 0,
          () => false,
        );
      await until('there are ids again', next);
      made.push(...(await many(ids, 500)));
      expect(new Set(made).size).toBe(made.length);
      for (let index = 1; index < made.length; index += 1)
        expect(Number(made[index])).toBeGreaterThan(Number(made[index - 1]));
      expect(ids.warnings()).toEqual([]);
    } finally {
      await database.drop();
      await server.remove();
    }
  },
  60_000,
);

test('a segment is bought whole or not at all, although the server crashes right after', async () => {
  const server = await Server.start();
  const database = await idDatabase(server.url);
  try {
    const loose = new pg.Pool({ connectionString: server.url, options: '-c synchronous_commit=off' });
    loose.on('error', () => undefined);
    const before = await many(segment({ database: loose, step: 100 }), 1);
    await server.crash();
    await loose.end();
    await server.start();
    const after = await many(segment({ database: database.pool, step: 100 }), 1);
    expect([before, after]).toEqual([['1'], ['101']]);
  } finally {
    await database.drop();
    await server.remove();
  }
}, 60_000);
