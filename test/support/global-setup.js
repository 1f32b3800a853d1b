/**
 * One PostgreSQL for the whole run: in a temporary folder, on a free port, gone at the end. A server that
 * TEST_POSTGRES_URL names is used instead, for instance another version.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compileEmbedded } from './compile.js';

/** The data is thrown away: nothing needs to outlive a power cut. */
const SETTINGS = { fsync: 'off', full_page_writes: 'off', max_connections: '300' };

export default async function start() {
  if (process.env.TEST_POSTGRES_URL) return;
  const folder = mkdtempSync(join(tmpdir(), 'tercet-test-'));
  const watchdog = watch(folder);
  const { startEmbedded } = await load();
  const server = await startEmbedded(join(folder, 'postgres'), { info() {}, warn: report, error: report }, SETTINGS);
  process.env.TEST_POSTGRES_URL = server.url;
  globalThis.stopTestPostgres = async () => {
    await server.stop();
    watchdog.kill();
    rmSync(folder, { recursive: true, force: true });
  };
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
    while kill -0 "$1" 2>/dev/null; do sleep 1; done
    pid=$(head -n 1 "$2/postgres/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid"
    sleep 2
    rm -rf "$2"`;
  const args = ['-c', script, 'watch', String(process.pid), folder];
  const child = spawn('/bin/sh', args, { detached: true, stdio: 'ignore' });
  child.unref();
  return child;
}
