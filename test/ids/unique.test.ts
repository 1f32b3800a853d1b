/**
 * No id repeats: four processes make 250,000 each, by clocks that are set back and forth from ms to hours, and half of the
 * processes are killed in the middle and started again.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startRedis, withOwnRedis } from '../support/redis.js';
import type { RedisServer } from '../support/redis.js';
import { idDatabase } from './tables.js';
import type { IdDatabase } from './tables.js';

const MAKER = fileURLToPath(new URL('maker.js', import.meta.url));
const PROCESSES = 4;
const COUNT = 250_000;
/** Of ids in a file after which a process that is to be killed is. */
const KILLED_AFTER = 80_000;
const TIMEOUT_MS = 120_000;

let folder: string;
let database: IdDatabase;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tercet-ids-'));
  database = await idDatabase();
});

afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

interface Made {
  readonly ids: string[];
  /** Its clock was set back by more than a generator bridges. */
  readonly isWild: boolean;
}

/** Makes so many, or is killed when there are `killAfter`; gives what it wrote down. */
async function make(kind: string, count: number, isWild: boolean, redis: string, killAfter = Infinity): Promise<Made> {
  const file = join(folder, `${kind}-${Math.random()}`);
  const settings = { kind, count, file, database: database.url, redis, isWild };
  const child = spawn(process.execPath, [MAKER, JSON.stringify(settings)], { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const killing = setInterval(() => {
    void stat(file).then(
      ({ size }) => size / 20 > killAfter && child.kill('SIGKILL'),
      () => undefined,
    );
  }, 5);
  const code = await ended;
  clearInterval(killing);
  // Killed, or done before it could be.
  if (code !== 0 && (code !== null || killAfter === Infinity))
    throw new Error(`a process of ${kind} ended with ${code}`);
  const lines = (await readFile(file, 'utf8')).split('\n');
  // What follows the last end of a line was cut off.
  lines.pop();
  return { ids: lines, isWild };
}

async function runsOf(kind: string, index: number, redis: string): Promise<Made[]> {
  const isWild = index % 2 === 0;
  if (index < PROCESSES / 2) return [await make(kind, COUNT, isWild, redis)];
  const first = await make(kind, COUNT, isWild, redis, KILLED_AFTER);
  return [first, await make(kind, Math.max(0, COUNT - first.ids.length), isWild, redis)];
}

/** @param risesAlways whatever clocks do */
async function expectUnique(kind: string, risesAlways: boolean, redis = ''): Promise<void> {
  const runs = Array.from({ length: PROCESSES }, (_, index) => runsOf(kind, index, redis));
  const made = (await Promise.all(runs)).flat();
  const all = made.flatMap(({ ids }) => ids);
  expect(all.length).toBeGreaterThanOrEqual(PROCESSES * COUNT);
  expect(new Set(all).size).toBe(all.length);
  for (const { ids, isWild } of made) if (risesAlways || !isWild) expect(firstFall(ids)).toBeNull();
}

function firstFall(ids: readonly string[]): string | null {
  for (let index = 1; index < ids.length; index += 1) {
    const [before = '', after = ''] = [ids[index - 1], ids[index]];
    const isRising = after.length === before.length ? after > before : after.length > before.length;
    if (!isRising) return `${after} after ${before}`;
  }
  return null;
}

test.each([
  ['uuidv7', false],
  ['snowflake', false],
  ['segment', true],
  ['sequence', true],
])(
  'no %s repeats, and within a process they rise where that is promised',
  (kind, risesAlways) => expectUnique(kind, risesAlways),
  TIMEOUT_MS,
);

withOwnRedis()('over Redis', () => {
  let redis: RedisServer;

  beforeAll(async () => {
    redis = await startRedis('--appendonly', 'yes');
  });

  afterAll(() => redis.kill());

  test('no number repeats, and they rise', () => expectUnique('redis', true, redis.url), TIMEOUT_MS);
});
