/** One process that makes snowflakes, by a clock that stands still, is set forward and back, and comes to its end. */
import { setImmediate as turn } from 'node:timers/promises';
import { decode } from '../../src/ids/decode.js';
import { EPOCH_MS, LAST_MS } from '../../src/ids/layout.js';
import { snowflake, SnowflakeIds } from '../../src/ids/snowflake.js';
import type { Reservation, WorkerIds } from '../../src/ids/worker.js';
import { NOON } from '../participants/manual-clock.js';
import { SteppedClock } from './stepped-clock.js';

const RESERVED_MS = 30_000;

/** Worker ids of a store in memory, whose clock is never set. */
class Workers implements WorkerIds {
  readonly isReplaceable = true;
  isAway = false;
  /** Whether others have the worker id when it is asked for again. */
  isLost = false;
  taken = 0;
  private usedUntil = 0;

  constructor(private readonly databaseNow: () => number) {}

  async take(now: number): Promise<Reservation> {
    this.isLost = false;
    this.taken += 1;
    this.usedUntil = 0;
    return (await this.prolong({ worker: this.taken }, now)) as Reservation;
  }

  async prolong({ worker }: Pick<Reservation, 'worker'>, now: number): Promise<Reservation | null> {
    if (this.isAway) throw new Error('connect ECONNREFUSED');
    if (this.isLost) return null;
    const at = Math.abs(now - this.databaseNow()) <= 5000 ? now : this.databaseNow();
    const from = Math.max(this.usedUntil, at) + 1;
    this.usedUntil = from + RESERVED_MS - 1;
    return { worker, from, until: this.usedUntil, correctionMs: at - now };
  }

  async leave(): Promise<void> {}
}

let clock: SteppedClock;
let workers: Workers;
let ids: SnowflakeIds;

beforeEach(() => {
  clock = new SteppedClock();
  workers = new Workers(() => NOON + clock.monotonic());
  ids = new SnowflakeIds(workers, clock);
});

/** Lets what can go on go on, and 1 ms pass each time that nothing can. */
async function passing<T>(work: Promise<T>): Promise<T> {
  let isDone = false;
  const done = (): boolean => (isDone = true);
  work.then(done, done);
  for (await turn(); !isDone; await turn()) clock.pass(1);
  return work;
}

const many = (count: number): Promise<string[]> => Promise.all(Array.from({ length: count }, () => ids.next()));
const at = (id: string): number => decode(id).at;
const worker = (id: string): number => (decode(id) as { worker: number }).worker;

function expectRising(made: readonly string[]): void {
  for (let index = 1; index < made.length; index += 1) {
    if (BigInt(made[index]!) <= BigInt(made[index - 1]!)) throw new Error(`${made[index]} after ${made[index - 1]}`);
  }
}

test('more ids than a ms has numbers wait for the next ms, and none repeats', async () => {
  await passing(ids.next());
  clock.pass(1);
  const all = many(20_000);
  let settled = 0;
  void all.then(() => (settled += 1));
  for (let turns = 0; turns < 50; turns += 1) await turn();
  expect([settled, clock.pending]).toEqual([0, 1]);
  const made = await passing(all);
  expect(new Set(made).size).toBe(20_000);
  const perMs = new Map<number, number>();
  for (const id of made) perMs.set(at(id), (perMs.get(at(id)) ?? 0) + 1);
  expect([...perMs.values()]).toEqual([4096, 4096, 4096, 4096, 3616]);
  expectRising(made);
  expect(ids.facts().waits).toBeGreaterThanOrEqual(4);
});

test('a clock that is set back by up to 5 ms is waited for', async () => {
  const before = await passing(ids.next());
  clock.step(-5);
  const next = ids.next();
  for (let turns = 0; turns < 10; turns += 1) await turn();
  expect(clock.pending).toBe(1);
  expectRising([before, await passing(next)]);
  expect([workers.taken, ids.facts().stepsBack]).toEqual([1, 0]);
});

test('set back by up to 2 s, ids go on from the last timestamp, which moves on when it is full', async () => {
  const before = await passing(ids.next());
  clock.step(-1500);
  const made = [before, ...(await many(10_000))];
  expectRising(made);
  expect(at(made.at(-1)!) - at(before)).toBe(2);
  expect([workers.taken, ids.facts().stepsBack]).toEqual([1, 1]);
  expect(ids.warnings()).toEqual([expect.stringMatching(/^ids: the clock was set back by 1\.5 s$/)]);
  clock.pass(1600);
  expectRising([...made, await passing(ids.next())]);
  expect(ids.warnings()).toEqual([]);
});

test('timestamps never run away from the clock by more than 2 s', async () => {
  const before = await passing(ids.next());
  clock.step(-1999);
  const all = many(4096 * 3);
  for (let turns = 0; turns < 10; turns += 1) await turn();
  expect(clock.pending).toBe(1);
  const made = await passing(all);
  expectRising([before, ...made]);
  expect(at(made.at(-1)!) - clock.now()).toBeLessThanOrEqual(2000);
});

test('set back by more, another worker id is taken, and the time is that of the database', async () => {
  const before = await passing(ids.next());
  clock.step(-3_600_000);
  const after = await passing(ids.next());
  expect([worker(before), worker(after)]).toEqual([1, 2]);
  expect(Math.abs(at(after) - at(before))).toBeLessThan(100);
  expect(ids.warnings()).toEqual([
    expect.stringContaining('the clock of this machine is 3600 s from that of the database'),
  ]);
});

test('a clock that jumps a year forward and back again makes no id of next year', async () => {
  const year = 365 * 86_400_000;
  const before = await passing(ids.next());
  clock.step(year);
  const meanwhile = await passing(ids.next());
  clock.step(-year);
  const after = await passing(ids.next());
  for (const id of [before, meanwhile, after]) expect(Math.abs(at(id) - NOON)).toBeLessThan(100_000);
  expect(new Set([before, meanwhile, after]).size).toBe(3);
});

test('while the store is away it goes on to the end of its reservation, says so, and comes back by itself', async () => {
  const first = await passing(ids.next());
  workers.isAway = true;
  clock.pass(RESERVED_MS - 2000);
  const late = await passing(ids.next());
  await turn();
  expect(ids.warnings()).toEqual(['ids: the database does not give new ones, this node can go on for 2 s']);
  clock.pass(3000);
  await expect(passing(ids.next())).rejects.toMatchObject({
    code: 'TERCET_ID_UNAVAILABLE',
    detail: expect.stringContaining('connect ECONNREFUSED') as string,
  });
  workers.isAway = false;
  const made = [first, late, await passing(ids.next())];
  expectRising(made);
  expect([made.map(worker), ids.warnings()]).toEqual([[1, 1, 1], []]);
});

test('a reservation is prolonged while there is half of it left, so that nobody waits', async () => {
  await passing(ids.next());
  const { asked } = ids.facts();
  clock.pass(RESERVED_MS / 2 - 100);
  await ids.next();
  expect(ids.facts().asked).toBe(asked);
  clock.pass(200);
  await ids.next();
  await turn();
  expect(ids.facts().asked).toBe(asked + 1);
  expect(ids.facts().leftMs).toBeGreaterThan(RESERVED_MS);
});

test('a process that was frozen until others have its worker id takes another one', async () => {
  const before = await passing(ids.next());
  workers.isLost = true;
  clock.freeze(RESERVED_MS + 1000);
  expect([worker(before), worker(await passing(ids.next()))]).toEqual([1, 2]);
});

describe('with a worker id that is given', () => {
  beforeEach(() => {
    ids = snowflake({ workerId: 7, clock }) as SnowflakeIds;
  });

  test('nothing is made of the ms in which it starts: who had it before may have used that up', async () => {
    expect(at(await passing(ids.next()))).toBeGreaterThan(NOON);
  });

  test('a clock that is set back by more than 2 s is refused until it has come to where it was', async () => {
    const before = await passing(ids.next());
    clock.step(-10_000);
    await expect(ids.next()).rejects.toMatchObject({ code: 'TERCET_ID_UNSAFE' });
    clock.pass(8500);
    expectRising([before, await passing(ids.next())]);
  });

  test('a worker id that cannot be is refused', () => {
    for (const workerId of [-1, 1024, 1.5]) expect(() => snowflake({ workerId })).toThrow(RangeError);
  });

  test('two years before the time bits end it warns, at the end it refuses', async () => {
    clock.step(LAST_MS - NOON - 800 * 86_400_000);
    expect(ids.warnings()).toEqual([]);
    clock.step(100 * 86_400_000);
    expect(ids.warnings()).toEqual([expect.stringMatching(/^ids: the time of snowflakes ends on 2095-09-0/)]);
    clock.step(700 * 86_400_000 - 3);
    await expect(passing(many(4096 * 5))).rejects.toMatchObject({ code: 'TERCET_ID_UNSAFE' });
    expect(clock.now()).toBeLessThan(LAST_MS + 10);
  });

  test('before its epoch it refuses', async () => {
    clock.step(EPOCH_MS - NOON - 10_000);
    await expect(passing(ids.next())).rejects.toMatchObject({ code: 'TERCET_ID_UNSAFE' });
  });

  test('closed, it makes none', async () => {
    await ids.close();
    await expect(ids.next()).rejects.toMatchObject({ code: 'TERCET_ID_UNAVAILABLE' });
  });
});
