/** Worker ids in a real database: no ms of one is ever reserved twice, whoever has it and whatever clocks show. */
import pg from 'pg';
import { DataSource } from 'typeorm';
import { SERVICE_TABLES, TercetIds1763683200004 } from '../../src/ids/schema.js';
import { snowflake } from '../../src/ids/snowflake.js';
import { LeasedWorkers, RESERVED_MS } from '../../src/ids/worker.js';
import type { Reservation } from '../../src/ids/worker.js';
import { createDatabase } from '../support/postgres.js';
import { idDatabase } from './tables.js';
import type { IdDatabase } from './tables.js';

const YEAR_MS = 365 * 86_400_000;
/** Of worker id 0, and older than what the database knows of. */
const SEEN: Reservation = { worker: 0, from: 0, until: -1, correctionMs: 0 };

let database: IdDatabase;

beforeEach(async () => {
  database = await idDatabase();
});

afterEach(() => database.drop());

const workers = (): LeasedWorkers => new LeasedWorkers(database.pool, SERVICE_TABLES);
/** Only so many worker ids are left. */
const leave = (count: number) => database.pool.query('DELETE FROM tercet_id_worker WHERE id >= $1', [count]);
/** As when nobody has renewed the leases for long. */
const expire = () => database.pool.query(`UPDATE tercet_id_member SET until = now() - interval '1 s'`);

function expectDisjoint(reservations: readonly Reservation[]): void {
  const sorted = [...reservations].sort((a, b) => a.worker - b.worker || a.from - b.from);
  for (const [index, { worker, from, until }] of sorted.entries()) {
    expect(until - from + 1).toBe(RESERVED_MS);
    const before = sorted[index - 1];
    if (before?.worker === worker) expect(from).toBeGreaterThan(before.until);
  }
}

test('those who take one at the same time get different ones', async () => {
  const all = await Promise.all(Array.from({ length: 20 }, () => workers().take(Date.now())));
  expect(new Set(all.map(({ worker }) => worker)).size).toBe(20);
});

test('two who take themselves for the holder of one worker id never get the same ms', async () => {
  await database.pool.query(`INSERT INTO tercet_id_member VALUES ('both', now() + interval '1 hour', false, 0)`);
  const both = [0, 4000].map(async (aheadMs) => {
    const one = new LeasedWorkers(database.pool, SERVICE_TABLES, () => 'both');
    return (await one.prolong(SEEN, Date.now() + aheadMs))!;
  });
  expectDisjoint(await Promise.all(both));
});

test('who was forgotten is told so, and does not get what the next one has', async () => {
  await leave(1);
  const [first, second] = [workers(), workers()];
  const before = await first.take(Date.now());
  await expire();
  expect(await first.prolong(before, Date.now())).toBeNull();
  expectDisjoint([before, await second.take(Date.now())]);
  expect(await first.prolong(before, Date.now())).toBeNull();
});

test('a worker id that is used again starts after all that the earlier holder could have used', async () => {
  await leave(1);
  const first = await workers().take(Date.now() + 4000);
  await expire();
  const second = await workers().take(Date.now() - 4000);
  expect(second.from).toBe(first.until + 1);
  // The generator does not go back to where its clock is, and does not go two seconds ahead of it either.
  await expire();
  const ids = snowflake({ database: database.pool });
  await expect(ids.next()).rejects.toMatchObject({
    code: 'TERCET_ID_UNAVAILABLE',
    detail: expect.stringContaining('each worker id was in use until a moment ago') as string,
  });
  await ids.close();
});

test('the one that was not used for longest is taken first', async () => {
  await leave(3);
  const [first, second, third] = [workers(), workers(), workers()];
  const order = [];
  for (const one of [first, second, third]) order.push((await one.take(Date.now())).worker);
  expect(order).toEqual([0, 1, 2]);
  await second.leave();
  await first.leave();
  expect((await workers().take(Date.now())).worker).toBe(0);
  expect((await workers().take(Date.now())).worker).toBe(1);
});

test('when all are in use it says so, until somebody leaves', async () => {
  await leave(1);
  const first = workers();
  await first.take(Date.now());
  await expect(workers().take(Date.now())).rejects.toThrow('all 1024 worker ids are in use');
  await first.leave();
  await expect(workers().take(Date.now())).resolves.toMatchObject({ worker: 0 });
});

test('a clock that shows next year, or last year, uses up no time of a worker id', async () => {
  for (const stepMs of [YEAR_MS, -YEAR_MS]) {
    const { until, correctionMs } = await workers().take(Date.now() + stepMs);
    expect(Math.abs(until - Date.now())).toBeLessThan(RESERVED_MS + 10_000);
    expect(Math.abs(correctionMs + stepMs)).toBeLessThan(10_000);
  }
});

test('one that was used far beyond the clock of the database is refused, as when that clock was set back', async () => {
  await leave(1);
  await database.pool.query('UPDATE tercet_id_worker SET used_until = $1', [Date.now() + YEAR_MS]);
  await expect(workers().take(Date.now())).rejects.toThrow(
    /^worker id 0 may have been used until 20\d\d-.*beyond the clock/,
  );
});

test('however often an answer is lost, it does not run away from the clock of the database', async () => {
  const one = workers();
  const { worker } = await one.take(Date.now());
  const got: (Reservation | null)[] = [];
  const lose = async (): Promise<void> => void got.push(await one.prolong({ ...SEEN, worker }, Date.now()));
  await expect(Promise.all(Array.from({ length: 10 }, lose))).rejects.toThrow('beyond the clock of the database');
  expect(got.length).toBeLessThan(4);
});

test('who still has enough is given no more: however often a clock is set, it uses up nothing', async () => {
  const one = workers();
  let last = await one.take(Date.now());
  last = (await one.prolong(last, Date.now()))!;
  for (let count = 1; count <= 10; count += 1) {
    const again = (await one.prolong(last, Date.now() + count * 3_600_000))!;
    expect([again.from, again.until]).toEqual([last.from, last.until]);
    expect(Math.abs(again.correctionMs + count * 3_600_000)).toBeLessThan(10_000);
  }
});

test('sessions that do not wait for the disk do so for what is reserved', async () => {
  const seen: unknown[] = [];
  const loose = new pg.Pool({ connectionString: database.url, options: '-c synchronous_commit=off' });
  const watching = {
    async query(text: string, values?: unknown[]) {
      const result = await loose.query<Record<string, unknown>>(text, values);
      seen.push(...result.rows.map(({ set_config: value }) => value));
      return result;
    },
  };
  await new LeasedWorkers(watching, SERVICE_TABLES).take(Date.now());
  await loose.end();
  expect(seen).toContain('on');
});

test('through TypeORM and its migration it is the same', async () => {
  const { url, drop } = await createDatabase();
  const source = new DataSource({ type: 'postgres', url, migrations: [TercetIds1763683200004] });
  await source.initialize();
  try {
    await source.runMigrations();
    const ids = snowflake({ database: source });
    expect(await ids.next()).toMatch(/^\d+$/);
    await ids.close();
    await source.undoLastMigration();
    const left = await source.query<unknown[]>(`SELECT 1 FROM pg_class WHERE relname LIKE 'tercet_id%'`);
    expect(left).toEqual([]);
  } finally {
    await source.destroy();
    await drop();
  }
});
