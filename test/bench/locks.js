/**
 * npm run bench -- --locks [--quick]
 *
 * What a lock costs in each store: alone, with fifty who want it, when the store is away, and what the guard adds to a
 * write. Rounds take turns, so that a machine whose speed drifts does so for all of them.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { guard, installLocks } from '@tercet/client';
import pg from 'pg';
import { startEmbedded } from '../../dist/src/storage/embedded.js';
import { compileSupport } from '../support/compile.js';
import { atEnd, endOf, onStage, taken } from './clean-up.js';
import { locksOf, STORES } from './lock-stores.js';
import { quiet } from './quiet.js';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 2 : 5;
const ALONE = isQuick ? 200 : 500;
const CONTENDED_MS = isQuick ? 1500 : 4000;
const PROCESSES = 5;
const WAITERS = 10;
const WRITES = isQuick ? 200 : 500;
const WAITER = new URL('lock-waiter.js', import.meta.url);

const { folder: compiled, support } = compileSupport(
  'debian.ts',
  'proxy.ts',
  'redis.ts',
  'run.ts',
  'server-process.ts',
);
atEnd(() => rmSync(compiled, { recursive: true, force: true }));
const part = (name) => import(pathToFileURL(join(support, name)).href);

const results = new Map();
function note(what, values) {
  results.set(what, [...(results.get(what) ?? []), ...values]);
}
const at = (what, share) => {
  const sorted = results.get(what).toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
};
const ms = (value) => (value < 10 ? value.toFixed(2) : value.toFixed(0));
const table = (head, rows) =>
  [head, head.map((_, column) => (column === 0 ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');

async function timed(work) {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

async function alone(store, urls) {
  const { locks, close } = await locksOf(store, urls);
  const once = () => locks.run('alone', {}, async () => {});
  for (let warmUp = 0; warmUp < 50; warmUp += 1) await once();
  const spent = [];
  for (let count = 0; count < ALONE; count += 1) spent.push(await timed(once));
  note(`alone, ${store}`, spent);
  await close();
}

function aloneTable() {
  const rows = STORES.map((store) => [store, ...[0.5, 0.99].map((share) => ms(at(`alone, ${store}`, share)))]);
  return table(['got and given back, alone', 'p50 ms', 'p99 ms'], rows);
}

/** Fifty in five processes: each gets the lock, gives it back, and stands in line again. */
async function contended(store, urls, round) {
  const what = JSON.stringify({ store, urls, waiters: WAITERS, name: `contended-${round}` });
  const waiter = () => taken(() => fork(WAITER, [what]), endOf);
  const children = await Promise.all(Array.from({ length: PROCESSES }, waiter));
  const said = (child, isIt) =>
    new Promise((resolve, reject) => {
      child.on('message', (message) => isIt(message) && resolve(message));
      child.once('exit', (code) => reject(new Error(`a waiter ended with ${code}`)));
    });
  await Promise.all(children.map((child) => said(child, ({ ready }) => ready)));
  for (const child of children) child.send('begin');
  await new Promise((resolve) => setTimeout(resolve, CONTENDED_MS));
  const answers = children.map((child) => said(child, ({ waits }) => waits));
  for (const child of children) child.send('end');
  const waiters = (await Promise.all(answers)).flatMap(({ waits }) => waits);
  const counts = waiters.map(({ length }) => length);
  const total = counts.reduce((sum, count) => sum + count, 0);
  note(`handed over, ${store}`, [(total / CONTENDED_MS) * 1000]);
  note(`most, ${store}`, [Math.max(...counts)]);
  note(`fewest, ${store}`, [Math.min(...counts)]);
  note(`wait, ${store}`, waiters.flat());
}

function contendedTable() {
  const rows = STORES.map((store) => [
    store,
    at(`handed over, ${store}`, 0.5).toFixed(0),
    at(`most, ${store}`, 0.5).toFixed(0),
    at(`fewest, ${store}`, 0.5).toFixed(0),
    ms(at(`wait, ${store}`, 0.5)),
    ms(at(`wait, ${store}`, 1)),
  ]);
  const head = [
    '50 waiters in 5 processes',
    'handed over a second',
    'most by one',
    'fewest',
    'median wait ms',
    'worst',
  ];
  return table(head, rows);
}

/** A transaction of one UPDATE, with the guard and without. */
async function guarded(urls) {
  const { locks, pool, close } = await locksOf('PostgreSQL', urls);
  const held = await locks.acquire('guarded');
  const client = await pool.connect();
  const write = async (isGuarded) => {
    await client.query('BEGIN');
    if (isGuarded) await guard(client, held);
    await client.query('UPDATE written SET n = n + 1');
    await client.query('COMMIT');
  };
  for (let count = 0; count < WRITES; count += 1) {
    note('write', [await timed(() => write(false))]);
    note('guarded write', [await timed(() => write(true))]);
  }
  client.release();
  await held.release();
  await close();
}

function guardedTable() {
  const rows = ['write', 'guarded write'].map((what) => [what, ms(at(what, 0.5)), ms(at(what, 0.99))]);
  return table(['a transaction of one UPDATE', 'p50 ms', 'p99 ms'], rows);
}

/** How long it takes to be told, the store being gone (nobody listens) or silent (nothing gets through). */
async function away(store, urls, how, Proxy) {
  const proxies = {
    postgres: await Proxy.start(urls.postgres),
    redis: await Promise.all(urls.redis.map((url) => Proxy.start(url))),
  };
  const through = { postgres: proxies.postgres.url, redis: proxies.redis.map(({ url }) => url) };
  const { locks, close } = await locksOf(store, through);
  await locks.run('away', {}, async () => {});
  for (const proxy of [proxies.postgres, ...proxies.redis]) {
    if (how === 'silent') proxy.silence();
    else await proxy.stop();
  }
  const attempt = () =>
    locks.attempt('away').then(
      () => {
        throw new Error(`${store} answered`);
      },
      (error) => {
        if (error.code !== 'TERCET_LOCK_UNAVAILABLE') throw error;
      },
    );
  note(`${how} at first, ${store}`, [await timed(attempt)]);
  note(`${how}, ${store}`, [await timed(attempt)]);
  for (const proxy of [proxies.postgres, ...proxies.redis]) proxy.heal();
  await close();
  for (const proxy of [proxies.postgres, ...proxies.redis]) await proxy.stop();
}

function awayTable() {
  const ways = ['gone at first', 'gone', 'silent at first', 'silent'];
  const rows = STORES.map((store) => [store, ...ways.map((way) => ms(at(`${way}, ${store}`, 0.5)))]);
  return table(['ms until TERCET_LOCK_UNAVAILABLE', 'gone', 'and again', 'silent', 'and again'], rows);
}

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'tercet-bench-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  process.env.TEST_RUN_FOLDER = folder;
  const { startRedis } = await part('redis.js');
  const { Proxy } = await part('proxy.js');
  const redis = [];
  for (let count = 0; count < 3; count += 1) {
    const server = await taken(startRedis, (started) => started.stop());
    redis.push(server);
  }
  const server = await taken(
    () => startEmbedded(join(folder, 'postgres'), quiet, { max_connections: '200' }),
    (started) => started.stop(),
  );
  const client = new pg.Client(server.url);
  await client.connect();
  atEnd(() => client.end());
  await installLocks(client);
  await client.query('CREATE TABLE written (n integer); INSERT INTO written VALUES (0)');
  const urls = { postgres: server.url, redis: redis.map(({ url }) => url) };
  const version = (await client.query('SHOW server_version')).rows[0].server_version;
  process.stdout.write(
    `${cpus().length} × ${cpus()[0].model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Node ${process.version}; PostgreSQL ${version}, ` +
      `fsync and synchronous_commit on; Redis without persistence; all share the cores; what is compared takes turns, ${ROUNDS} rounds\n\n`,
  );
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const store of STORES) await alone(store, urls);
    for (const store of STORES) await contended(store, urls, round);
    await guarded(urls);
    process.stderr.write(`round ${round + 1} of ${ROUNDS}\n`);
  }
  process.stdout.write(`${aloneTable()}\n\n${contendedTable()}\n\n${guardedTable()}\n\n`);
  for (const how of ['gone', 'silent']) for (const store of STORES) await away(store, urls, how, Proxy);
  process.stdout.write(`${awayTable()}\n`);
}

await onStage(main);
