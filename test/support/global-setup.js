/**
 * One PostgreSQL for the whole run: in a temporary folder, on a free port, gone at the end. A server that
 * TEST_POSTGRES_URL names is used instead, for instance another version.
 */
import { transformSync } from '@swc/core';
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const SOURCES = [
  'src/protocol/errors.ts',
  'src/storage/embedded.ts',
  'src/storage/embedded-binaries.ts',
  'src/storage/embedded-cluster.ts',
];
/** The data is thrown away: nothing needs to outlive a power cut. */
const SETTINGS = { fsync: 'off', full_page_writes: 'off', max_connections: '300', autovacuum_naptime: '5s' };
const SWC = { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } };

export default async function start() {
  if (process.env.TEST_POSTGRES_URL) return;
  const folder = mkdtempSync(join(tmpdir(), 'tercet-test-'));
  // PostgreSQL does not run as root; the user that it runs as must be able to enter.
  chmodSync(folder, 0o711);
  const watchdog = watch(folder);
  const { startEmbedded } = await load();
  const log = { info() {}, warn: report, error: report };
  const server = await startEmbedded(join(folder, 'postgres'), log, SETTINGS);
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

/** Jest does not compile what a global setup imports when it is an ES module: done here, as the tests are. */
async function load() {
  // Inside node_modules, so that packages are found from there.
  const cache = join(root, 'node_modules/.cache/tercet');
  mkdirSync(cache, { recursive: true });
  const out = mkdtempSync(join(cache, 'setup-'));
  try {
    writeFileSync(join(out, 'package.json'), '{"type":"module"}');
    for (const source of SOURCES) {
      const target = join(out, source).replace(/\.ts$/, '.js');
      mkdirSync(dirname(target), { recursive: true });
      const text = readFileSync(join(root, source), 'utf8');
      writeFileSync(target, transformSync(text, { filename: join(root, source), ...SWC }).code);
    }
    return await import(pathToFileURL(join(out, 'src/storage/embedded.js')).href);
  } finally {
    rmSync(out, { recursive: true, force: true });
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
