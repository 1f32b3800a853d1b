import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { startEmbedded } from '../../../src/storage/embedded.js';
import type { EmbeddedPostgres } from '../../../src/storage/embedded.js';
import { PostgresLog } from '../../../src/storage/transaction-log.js';
import { transaction } from '../../contract/sample.js';
import { compileEmbedded } from '../../support/compile.js';

const logger = { info() {}, warn() {}, error() {} };
/** Nothing here outlives a power cut. */
const QUICK = { fsync: 'off' };

let home: string;
let folder: string;
const running: EmbeddedPostgres[] = [];

async function start(): Promise<EmbeddedPostgres> {
  const embedded = await startEmbedded(folder, logger, QUICK);
  running.push(embedded);
  return embedded;
}

async function ask<R extends pg.QueryResultRow>(url: string, statement: string): Promise<R> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<R>(statement)).rows[0]!;
  } finally {
    await client.end();
  }
}

const pidFile = (): string => join(folder, 'data/postmaster.pid');
const serverPid = (): number => Number(readFileSync(pidFile(), 'utf8').split('\n')[0]);

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function expectDown(url: string): Promise<void> {
  await expect(ask(url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
}

/** A coordinator that starts the server and is killed. */
async function killedStarter(): Promise<string> {
  const { folder: compiled, entry } = compileEmbedded();
  const script = `
    const { startEmbedded } = await import(process.argv[1]);
    const logger = { info() {}, warn() {}, error() {} };
    console.log((await startEmbedded(process.argv[2], logger, { fsync: 'off' })).url);
    setInterval(() => {}, 1000);`;
  const args = ['--input-type=module', '-e', script, pathToFileURL(entry).href, folder];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise<string>((resolve) =>
    child.stdout.once('data', (chunk) => resolve(String(chunk).trim())),
  );
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  rmSync(compiled, { recursive: true });
  return url;
}

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tercet-embedded-'));
  folder = join(home, 'postgres');
});

afterEach(async () => {
  for (const embedded of running.splice(0)) await embedded.stop();
  rmSync(home, { recursive: true, force: true });
});

test('it keeps its data and its URL from one start to the next, and stops without a trace', async () => {
  const first = await start();
  expect(await ask(first.url, 'SHOW server_encoding')).toEqual({ server_encoding: 'UTF8' });
  expect(await ask(first.url, 'SHOW listen_addresses')).toEqual({ listen_addresses: '127.0.0.1' });
  await ask(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  await first.stop();
  await expectDown(first.url);
  const second = await start();
  expect(second.url).toBe(first.url);
  expect(await ask(second.url, 'SELECT answer FROM kept')).toEqual({ answer: 42 });
});

test('nobody gets in without the password, which only the user that runs it can read', async () => {
  const url = new URL((await start()).url);
  expect(statSync(join(folder, 'data/tercet.json')).mode & 0o077).toBe(0);
  url.password = 'guess';
  await expect(ask(url.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
});

test('two that start at once on an empty folder share one server, and the last one stops it', async () => {
  const [first, second] = await Promise.all([start(), start()]);
  expect(second.url).toBe(first.url);
  await first.stop();
  expect(await ask(second.url, 'SELECT 1 AS one')).toEqual({ one: 1 });
  await second.stop();
  await expectDown(second.url);
});

test('a server left over by a killed process is used further, and then stopped', async () => {
  const url = await killedStarter();
  const pid = serverPid();
  const embedded = await start();
  expect(embedded.url).toBe(url);
  expect(serverPid()).toBe(pid);
  await embedded.stop();
  await expectDown(url);
});

test('a server left over that does not answer is stopped, and another one started', async () => {
  await killedStarter();
  const pid = serverPid();
  process.kill(pid, 'SIGSTOP');
  const embedded = await start();
  expect(await ask(embedded.url, 'SELECT 1 AS one')).toEqual({ one: 1 });
  expect(serverPid()).not.toBe(pid);
});

test('a pid file whose process is another one by now does not hinder', async () => {
  const first = await start();
  const lines = readFileSync(pidFile(), 'utf8').split('\n');
  await first.stop();
  writeFileSync(pidFile(), [String(process.ppid), ...lines.slice(1)].join('\n'));
  const second = await start();
  expect(await ask(second.url, 'SELECT 1 AS one')).toEqual({ one: 1 });
  // Still there: it was not taken for a server.
  process.kill(process.ppid, 0);
});

test('a server that is killed comes back under the same URL, and the log goes on without a restart', async () => {
  const server = await start();
  const { url } = server;
  await prepareDatabase(url, 'auto', logger);
  const log = new PostgresLog({ url, leaseMs: 5000 }, logger);
  const member = await log.join('north', 60_000);
  expect(server.problems()).toEqual([]);
  const before = await log.insert(member, transaction(), 'x');
  const pid = serverPid();
  process.kill(pid, 'SIGKILL');
  await until(async () => server.problems().length > 0);
  expect(server.problems()[0]).toMatch(/^embedded server: /);
  await until(async () => {
    const answer = await log.insert(member, transaction(), 'x').catch((error: Error) => error.name);
    if (typeof answer === 'string') expect(answer).toMatch(/^Log(Unavailable|OutcomeUnknown)$/);
    return typeof answer !== 'string' && serverPid() !== pid;
  });
  expect(await log.get(before.held.tx.gid)).toEqual(before.held);
  expect(await log.renew(member, 1000)).toBe(true);
  await log.close();
});

// As root the server runs as somebody else, who cannot enter it; as anybody else this is a folder like any other.
test('a folder inside one that is closed to others serves as any other, when found again too', async () => {
  mkdirSync(join(home, 'closed'), { mode: 0o700 });
  const folder = join(home, 'closed', 'not', 'there', 'yet');
  const first = await startEmbedded(folder, logger, QUICK);
  await ask(first.url, 'CREATE TABLE kept AS SELECT 1 AS one');
  const beside = await startEmbedded(folder, logger, QUICK);
  expect(beside.url).toBe(first.url);
  await beside.stop();
  await first.stop();
  const again = await startEmbedded(folder, logger, QUICK);
  expect(await ask(again.url, 'SELECT one FROM kept')).toEqual({ one: 1 });
  await again.stop();
});
