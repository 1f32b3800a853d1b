/** tercet bench: a run from end to end, what it refuses, and that nothing of it is left. */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { Result } from '../../src/bench/bench.js';
import { demandAllEnded } from '../../src/cli/bench.js';
import { read } from '../../src/cli/command.js';
import { COMMANDS } from '../../src/cli/commands.js';
import { WrongUse } from '../../src/cli/exit.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { SCRIPT, tercet } from './tercet.js';

const QUICK = ['bench', '--rounds', '1', '--seconds', '0.2', '--initiators', '1,4', '--rate', '20'];
const command = COMMANDS.find(({ name }) => name === 'bench');
const LONG_MS = 180_000;
let database: TestDatabase;
let folder: string;

beforeEach(async () => {
  database = await createDatabase();
  folder = await mkdtemp(join(tmpdir(), 'tercet-bench-test-'));
});
afterEach(async () => {
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

async function query<R extends pg.QueryResultRow>(statement: string): Promise<R[]> {
  const client = new pg.Client(database.url);
  await client.connect();
  try {
    return (await client.query<R>(statement)).rows;
  } finally {
    await client.end();
  }
}

const OWN = `SELECT datname FROM pg_database WHERE datname LIKE 'tercet\\_bench\\_%'`;
const SCHEMA = `SELECT nspname FROM pg_namespace WHERE nspname = 'tercet'`;

test(
  'a quick run: tables of 80 columns, all numbers as JSON, a chart, nothing unfinished and no database left',
  async () => {
    const files = { json: join(folder, 'bench.json'), svg: join(folder, 'bench.svg') };
    // Keys in force would refuse the load; an unknown setting would stop the coordinator.
    const env = {
      DATABASE_URL: database.url,
      TERCET_KEYS: 'nonsense',
      TERCET_NO_SUCH: 'x',
      TERCET_SIGNING_SECRET: 'x',
    };
    const ended = await tercet([...QUICK, '--json', files.json, '--svg', files.svg], env);
    expect([ended.stderr, ended.code]).toEqual(['', 0]);
    expect(ended.stdout).toMatch(/INITIATORS +TERCET\/S +P50 MS +P99 MS +BARE\/S +P50 MS +P99 MS +OF BARE\n +1 /);
    expect(ended.stdout).toMatch(/times bare/);
    expect(ended.stdout).toMatch(/([\d,]+) accepted, \1 committed, 0 unfinished\n$/);
    expect(Math.max(...ended.stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    const result = JSON.parse(await readFile(files.json, 'utf8')) as Result;
    expect(
      result.closedLoop.map(({ initiators, tercet, bare }) => [initiators, tercet.rounds.length, bare.rounds.length]),
    ).toEqual([
      [1, 1, 1],
      [4, 1, 1],
    ]);
    expect(result).toMatchObject({
      asked: { mode: 'tcc', branches: 2, rounds: 1, seconds: 0.2, rate: 20, warmUpSeconds: 0.4 },
      machine: { node: process.version, isEmbedded: false, postgresql: { fsync: expect.stringMatching(/^o(n|ff)$/) } },
      fixedRate: { perSecond: 20, tercet: { p99: expect.any(Number) }, bare: { p99: expect.any(Number) } },
      pastTheLimit: { maxUnfinished: 60, within: { initiators: 22 }, beyond: { initiators: 300 } },
      end: { unfinished: 0, repeated: expect.any(Number) },
    });
    expect(result.end.committed).toBe(result.end.accepted);
    expect(await readFile(files.svg, 'utf8')).toMatch(/^<svg [^]*<\/svg>\n$/);
    expect(await query(OWN)).toEqual([]);
  },
  LONG_MS,
);

test(
  'without the right to make a database it says what to do; --in-place takes one without a schema tercet, and leaves it so',
  async () => {
    const role = `bench_${new URL(database.url).pathname.slice(6)}`;
    await query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret' NOSUPERUSER`);
    const url = new URL(database.url);
    [url.username, url.password] = [role, 'secret'];
    await query(`GRANT CREATE ON DATABASE ${url.pathname.slice(1)} TO ${role}`);
    const env = { DATABASE_URL: url.href };
    try {
      const refused = await tercet(QUICK, env);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/may not make a database of its own[^]*CREATEDB, or [^]*--in-place/);
      const done = await tercet([...QUICK, '--in-place', '--mode', 'message'], env);
      expect([done.stderr, done.code]).toEqual(['', 0]);
      expect(done.stdout).toMatch(/^Messages of 2,/m);
      expect(await query(SCHEMA)).toEqual([]);
      await query('CREATE SCHEMA tercet; CREATE TABLE tercet.precious ()');
      const kept = await tercet([...QUICK, '--in-place'], env);
      expect([kept.code, kept.stderr]).toEqual([1, expect.stringMatching(/has a schema `tercet` already/)]);
      expect(await query(`SELECT to_regclass('tercet.precious') IS NOT NULL AS kept`)).toEqual([{ kept: true }]);
    } finally {
      await query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  },
  LONG_MS,
);

test(
  'Ctrl-C ends what it started and drops its database',
  async () => {
    const env = { PATH: process.env['PATH'], DATABASE_URL: database.url };
    const child = spawn(process.execPath, [SCRIPT, 'bench', '--mode', 'saga', '--initiators', '4'], { env });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const isBusy = `SELECT FROM pg_stat_activity WHERE datname LIKE 'tercet\\_bench\\_%' AND application_name = 'tercet flush'`;
    while ((await query(isBusy)).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    child.kill('SIGINT');
    expect(await ended).toBe(1);
    expect(said).toMatch(/it was interrupted; what it started is stopped, and its database is gone/);
    expect(await query(OWN)).toEqual([]);
    const left = `SELECT FROM pg_stat_activity WHERE datname LIKE 'tercet\\_bench\\_%'`;
    expect(await query(left)).toEqual([]);
  },
  LONG_MS,
);

test('an embedded PostgreSQL of its own is not left behind when it cannot go on', async () => {
  const dataDir = join(folder, 'data');
  const env = { TERCET_DATA_DIR: dataDir };
  const child = spawn(process.execPath, [SCRIPT, 'bench'], { env: { PATH: process.env['PATH'], ...env } });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  while (!(await readdir(dataDir).catch(() => [])).some((name) => name.startsWith('bench-'))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  child.kill('SIGTERM');
  expect(await ended).toBe(1);
  expect(await readdir(folder)).toEqual([]);
});

test.each([
  [['--mode', 'xa'], /--mode is 'xa'; it must be one of tcc, saga, message/],
  [['--branches', '0'], /--branches is '0'; it must be a whole number from 1 to 100/],
  [['--initiators', '1,,4'], /--initiators is ''; it must be a whole number from 1 to 4096/],
  [['--initiators', '5000'], /--initiators is '5000'/],
  [['--rounds', '1.5'], /--rounds is '1.5'/],
  [['--seconds', '0'], /--seconds is '0'; it must be a number from 0.1 to 600/],
  [['--rate', 'fast'], /--rate is 'fast'; it must be 'half' or a whole number from 1 to 100000/],
  [
    ['--rate', '3', '--seconds', '0.3'],
    /a turn may have no transaction: give --seconds 0.4 or more, or --rate 4 or more/,
  ],
  [['--in-place'], /--in-place needs DATABASE_URL/],
  [['--quick'], /unknown option '--quick'/],
])('%j is refused with the option named', async (options, says) => {
  const run = async (): Promise<unknown> => command?.run(read(command, options));
  await expect(run()).rejects.toThrow(WrongUse);
  await expect(run()).rejects.toThrow(says);
});

test('one that is unfinished, or accepted and not committed, is a failure', () => {
  expect(() => demandAllEnded({ accepted: 5, committed: 5, unfinished: 0, repeated: 0 })).not.toThrow();
  expect(() => demandAllEnded({ accepted: 5, committed: 5, unfinished: 1, repeated: 0 })).toThrow(/1 are unfinished/);
  expect(() => demandAllEnded({ accepted: 5, committed: 4, unfinished: 0, repeated: 0 })).toThrow(
    /5 transactions were accepted, 4 are/,
  );
});

test('a file that cannot be written, and a database that is away, are told before anything is measured', async () => {
  const file = await tercet(['bench', '--json', join(folder, 'none', 'x.json')], { DATABASE_URL: database.url });
  expect([file.code, file.stderr]).toEqual([1, expect.stringMatching(/x\.json cannot be written/)]);
  const away = await tercet(['bench'], { DATABASE_URL: 'postgres://u:secret@127.0.0.1:1/x' });
  expect([away.code, away.stderr]).toEqual([1, expect.stringMatching(/no database can be reached with DATABASE_URL/)]);
  expect(away.stderr).not.toContain('secret');
  const wrong = await tercet(['bench'], { DATABASE_URL: 'nonsense' });
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/DATABASE_URL must be like/)]);
});
