/**
 * One PostgreSQL for the whole run: in a temporary folder, on a free port, gone at the end. A server that
 * TEST_POSTGRES_URL names is used instead, for instance another version. In the same folder is what Kafka brokers (kafka.ts)
 * and Redis servers (redis.ts) need, and what of them is left at the end of the run is ended with it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compileEmbedded } from './compile.js';

/** The data is thrown away: nothing needs to outlive a power cut. */
const SETTINGS = { fsync: 'off', full_page_writes: 'off', max_connections: '300', track_commit_timestamp: 'on' };
/** Shell: ends what a test file started in the folder "$1" and did not stop, frozen or not. */
const END_SERVERS = `
    for file in "$1"/*/pid; do [ -f "$file" ] && kill -KILL "$(cat "$file")"; done 2>/dev/null
    for file in "$1"/kafka-*/container; do [ -f "$file" ] && docker rm -f "$(cat "$file")"; done >/dev/null 2>&1`;

export default async function start() {
  const folder = mkdtempSync(join(tmpdir(), 'tercet-test-'));
  process.env.TEST_RUN_FOLDER = folder;
  const watchdog = watch(folder);
  const stopPostgres = process.env.TEST_POSTGRES_URL ? async () => {} : await startPostgres(folder);
  globalThis.stopTestServers = async () => {
    spawnSync('/bin/sh', ['-c', END_SERVERS, 'end', folder]);
    await stopPostgres();
    watchdog.kill();
    rmSync(folder, { recursive: true, force: true });
  };
}

async function startPostgres(folder) {
  const { startEmbedded } = await load();
  const server = await startEmbedded(join(folder, 'postgres'), { info() {}, warn: report, error: report }, SETTINGS);
  process.env.TEST_POSTGRES_URL = server.url;
  return () => server.stop();
}

function report(fields, message) {
  process.stderr.write(`test PostgreSQL: ${message} ${JSON.stringify(fields)}\n`);
}

/** Jest does not compile what a global setup imports when it is an ES module. */
async function load() {
  const { folder, entry } = compileEmbedded();
  try {
    return await import(pathToFileURL(entry).href);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A run that is killed cannot clean up: then this does, a second later. */
function watch(folder) {
  const script = `
    while kill -0 "$2" 2>/dev/null; do sleep 1; done
    pid=$(head -n 1 "$1/postgres/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid"
    ${END_SERVERS}
    sleep 2
    rm -rf "$1"`;
  const args = ['-c', script, 'watch', folder, String(process.pid)];
  const child = spawn('/bin/sh', args, { detached: true, stdio: 'ignore' });
  child.unref();
  return child;
}
