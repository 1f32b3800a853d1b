/**
 * npm run bench -- --config [--quick]
 *
 * What strict releases of the coordinators cost and take (strict.js).
 *
 * From the release of a configuration to the moment at which it is in force in each of 50 services, over HTTP and with
 * PostgreSQL that writes to the disk; then the same with a Redis that they share, and how many contents the center gave.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Redis } from 'ioredis';
import { TercetConfig } from '@tercet/client/config';
import pg from 'pg';
import { startEmbedded } from '../../dist/src/storage/embedded.js';
import { compileSupport } from '../support/compile.js';
import { atEnd, endOf, onStage, taken } from './clean-up.js';
import { quiet } from './quiet.js';
import { gateTable, switchTable } from './strict.js';

const isQuick = process.argv.includes('--quick');
const CLIENTS = 50;
const ROUNDS = isQuick ? 5 : 100;
/** Between two releases, so that all wait again. */
const PAUSE_MS = 200;
const CONTENT_BYTES = [100, 100_000];
const ENVIRONMENT = 'bench';
const folder = mkdtempSync(join(tmpdir(), 'tercet-bench-config-'));
atEnd(() => rmSync(folder, { recursive: true, force: true }));

async function center(databaseUrl) {
  const own = { DATABASE_URL: databaseUrl, TERCET_LISTEN: '127.0.0.1:0', TERCET_LOG_LEVEL: 'error' };
  const settings = { env: { ...process.env, ...own }, stdio: ['ignore', 'pipe', 'inherit'] };
  const child = await taken(() => spawn(process.execPath, ['bin/tercet.js', 'serve'], settings), endOf);
  const url = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the center ended with ${code}`)));
    child.stdout.on('data', (chunk) => {
      const found = /listening on (http:\S+)/.exec(chunk.toString());
      if (found) resolve(found[1]);
    });
  });
  return url;
}

async function call(url, method, path, body) {
  const answer = await fetch(`${url}/v1/config/${ENVIRONMENT}/${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

/** @returns ms from the request of each release until it is in force, for each service */
async function released(url, configs, namespace, bytes) {
  const reason = 'bench';
  const latencies = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const { release: base } = await call(url, 'GET', `namespaces/${namespace}`);
    const content = { round, filler: 'x'.repeat(bytes) };
    await call(url, 'PUT', `namespaces/${namespace}/draft`, { base, content, reason });
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const inForce = configs.map(
      (config) =>
        new Promise((resolve) => {
          const forget = config.onChange((next) => () => {
            if (next.get(namespace).round !== round) return;
            resolve(performance.now());
            setImmediate(() => forget());
          });
        }),
    );
    const from = performance.now();
    await call(url, 'POST', 'releases', { namespaces: [namespace], reason });
    for (const at of await Promise.all(inForce)) latencies.push(at - from);
  }
  return latencies.sort((a, b) => a - b);
}

async function measure(url, bytes, redis) {
  const namespace = `size-${bytes}${redis ? '-redis' : ''}`;
  await call(url, 'PUT', `namespaces/${namespace}`, {});
  const options = { url, environment: ENVIRONMENT, namespaces: [namespace], ...(redis ? { redis } : {}) };
  const configs = await Promise.all(Array.from({ length: CLIENTS }, () => TercetConfig.start(options)));
  try {
    const latencies = await released(url, configs, namespace, bytes);
    const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))].toFixed(1);
    const sum = (count) => configs.reduce((total, { pulls }) => total + pulls[count], 0);
    return `| ${bytes} | ${redis ? 'yes' : 'no'} | ${at(0.5)} | ${at(0.99)} | ${sum('fetches')} | ${sum('saved')} |\n`;
  } finally {
    await Promise.all(configs.map((config) => config.close()));
  }
}

/** On a database of its own. */
async function tableOn(server, name, make) {
  const admin = new pg.Client(server.url);
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  process.stdout.write(`${(await make(url.href)).join('\n')}\n\n`);
}

async function main() {
  process.env.TEST_RUN_FOLDER = folder;
  const { folder: compiled, support } = compileSupport('debian.ts', 'redis.ts', 'run.ts', 'server-process.ts');
  atEnd(() => rmSync(compiled, { recursive: true, force: true }));
  const { startRedis } = await import(pathToFileURL(join(support, 'redis.js')).href);
  const server = await taken(
    () => startEmbedded(join(folder, 'postgres'), quiet),
    (started) => started.stop(),
  );
  process.stdout.write(
    `${cpus().length} × ${cpus()[0].model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Node ${process.version}\n\n`,
  );
  await tableOn(server, 'gate', gateTable);
  await tableOn(server, 'strict', switchTable);
  const redisServer = await taken(startRedis, (started) => started.kill());
  const redis = new Redis(redisServer.url, { lazyConnect: true });
  const url = await center(server.url);
  process.stdout.write(
    `${CLIENTS} services in one process, ${ROUNDS} releases\n\n` +
      '| bytes of content | Redis | release to in force, p50 ms | p99 ms | contents from the center | saved |\n' +
      '| ---: | --- | ---: | ---: | ---: | ---: |\n',
  );
  for (const bytes of CONTENT_BYTES) {
    for (const shared of [null, redis]) process.stdout.write(await measure(url, bytes, shared));
  }
}

await onStage(main);
