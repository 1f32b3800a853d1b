/**
 * npm run bench -- --ids [--quick]
 *
 * Ids a second of each generator in one process, one at a time and 64 at a time, in rounds that take turns; then what each
 * costs when its store is away: how many ids, or how long, it goes on, and what it says then. PostgreSQL and Redis write to
 * the disk before they answer.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Redis } from 'ioredis';
import pg from 'pg';
import { installIds, segment, sequence, snowflake, uuidv7 } from '@tercet/client';
import { redisIds } from '@tercet/client/redis';
import { startEmbedded } from '../../dist/src/storage/embedded.js';
import { compileSupport } from '../support/compile.js';
import { atEnd, onStage, taken } from './clean-up.js';
import { quiet } from './quiet.js';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 2 : 5;
const ROUND_MS = isQuick ? 300 : 1000;
/** With its store away a generator is asked for as long. */
const AWAY_MS = isQuick ? 5000 : 60_000;
/** Ids a second meanwhile. */
const AWAY_RATE = 1000;
const folder = mkdtempSync(join(tmpdir(), 'tercet-bench-ids-'));
atEnd(() => rmSync(folder, { recursive: true, force: true }));
const { folder: compiled, support } = compileSupport('debian.ts', 'redis.ts', 'run.ts', 'server-process.ts');
atEnd(() => rmSync(compiled, { recursive: true, force: true }));

/** @returns ids a second */
async function rate(ids, concurrency) {
  const end = performance.now() + ROUND_MS;
  const from = performance.now();
  let made = 0;
  const one = async () => {
    while (performance.now() < end) {
      await ids.next();
      made += 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  return made / ((performance.now() - from) / 1000);
}

/** Asks at a steady rate while the store is away, until there is none. */
async function away(ids) {
  const from = performance.now();
  let made = 0;
  while (performance.now() - from < AWAY_MS) {
    try {
      await ids.next();
      made += 1;
    } catch (error) {
      return { made, ms: performance.now() - from, said: error.code };
    }
    if (made % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 10_000 / AWAY_RATE));
  }
  return { made, ms: performance.now() - from, said: 'nothing: it still goes on' };
}

async function main() {
  process.env.TEST_RUN_FOLDER = folder;
  const { startRedis } = await import(pathToFileURL(join(support, 'redis.js')).href);
  const server = await taken(
    () => startEmbedded(join(folder, 'postgres'), quiet),
    (started) => started.stop(),
  );
  const pool = new pg.Pool({ connectionString: server.url, connectionTimeoutMillis: 1000 });
  pool.on('error', () => {});
  atEnd(() => pool.end());
  const installer = await pool.connect();
  await installIds(installer);
  const version = (await installer.query('SHOW server_version')).rows[0].server_version;
  installer.release();
  const redisServer = await taken(
    () => startRedis('--appendonly', 'yes', '--appendfsync', 'always'),
    (started) => started.kill(),
  );
  const redis = new Redis(redisServer.url, { lazyConnect: true });
  const generators = {
    uuidv7: uuidv7(),
    snowflake: snowflake({ database: pool }),
    segment: segment({ database: pool }),
    sequence: await sequence({ database: pool }),
    redis: await redisIds({ redis }),
  };
  const rates = Object.fromEntries(Object.keys(generators).map((kind) => [kind, { 1: [], 64: [] }]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [kind, ids] of Object.entries(generators)) {
      for (const concurrency of [1, 64]) rates[kind][concurrency].push(await rate(ids, concurrency));
    }
  }
  const median = (values) => Math.round(values.toSorted((a, b) => a - b)[values.length >> 1]);
  process.stdout.write(
    `${cpus().length} × ${cpus()[0].model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Node ${process.version}; PostgreSQL ${version}; ` +
      `median of ${ROUNDS} rounds of ${ROUND_MS} ms\n\n| ids a second | one at a time | 64 at a time |\n| --- | ---: | ---: |\n`,
  );
  for (const kind of Object.keys(generators)) {
    process.stdout.write(`| ${kind} | ${median(rates[kind][1])} | ${median(rates[kind][64])} |\n`);
  }
  // Segments as they are for a service that makes few.
  const few = segment({ database: pool, name: 'few' });
  for (let made = 0; made < 150; made += 1) await few.next();
  await new Promise((resolve) => setTimeout(resolve, 200));
  await generators.snowflake.next();
  await server.stop();
  await redisServer.kill();
  const head = `| store away, asked ${AWAY_RATE} times a second | ids | seconds | then |`;
  process.stdout.write(`\n${head}\n| --- | ---: | ---: | --- |\n`);
  const left = { ...generators, segment: few };
  const rows = Object.entries(left).map(async ([kind, ids]) => ({ kind, ...(await away(ids)) }));
  for (const { kind, made, ms, said } of await Promise.all(rows)) {
    process.stdout.write(`| ${kind} | ${made} | ${(ms / 1000).toFixed(1)} | ${said} |\n`);
  }
  await Promise.all(Object.values(left).map((ids) => ids.close()));
}

await onStage(main);
