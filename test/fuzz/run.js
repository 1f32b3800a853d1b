/**
 * npm run fuzz -- [--seed N] [--requests M]
 *
 * Sends requests made of /openapi.json to a node on a PostgreSQL of its own, shows how far it is, and ends with 1
 * when an answer was wrong. The same seed sends the same kinds of requests; their order among others may differ.
 */
import { transformSync } from '@swc/core';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { startEmbedded } from '../../dist/src/storage/embedded.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const SWC = { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } };
const SETTINGS = { fsync: 'off', full_page_writes: 'off' };

/** For plain Node, as Jest does for the tests. @returns the folder, to be removed after use */
function compile() {
  // Inside node_modules, so that packages are found from there.
  const cache = join(root, 'node_modules/.cache/tercet');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'fuzz-'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const own = readdirSync(join(root, 'test/fuzz')).filter((file) => /(?<!\.test)\.ts$/.test(file));
  for (const file of [...own.map((name) => `fuzz/${name}`), 'support/openapi.ts']) {
    const target = join(folder, file).replace(/\.ts$/, '.js');
    mkdirSync(dirname(target), { recursive: true });
    const source = join(root, 'test', file);
    writeFileSync(target, transformSync(readFileSync(source, 'utf8'), { filename: source, ...SWC }).code);
  }
  return folder;
}

function option(name, otherwise) {
  const index = process.argv.indexOf(`--${name}`);
  if (index < 0) return otherwise;
  const value = Number(process.argv[index + 1]);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} needs a whole number from 1 on`);
  return value;
}

const say = (text) => process.stdout.write(`${text}\n`);
const report = (fields, message) => process.stderr.write(`PostgreSQL: ${message} ${JSON.stringify(fields)}\n`);
const requests = option('requests', 20_000);
const seed = option('seed', 1 + Math.floor(Math.random() * 1e9));
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopping.abort());
const cleanUps = [];
try {
  say(`${requests} requests from seed ${seed}`);
  const code = compile();
  cleanUps.push(() => rmSync(code, { recursive: true }));
  const folder = mkdtempSync(join(tmpdir(), 'tercet-fuzz-'));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
  const server = await startEmbedded(join(folder, 'postgres'), { info() {}, warn: report, error: report }, SETTINGS);
  cleanUps.push(() => server.stop());
  const { fuzz } = await import(pathToFileURL(join(code, 'fuzz/fuzz.js')).href);
  const from = Date.now();
  const result = await fuzz({ requests, seed, root, databaseUrl: server.url, say, signal: stopping.signal });
  say(`${result.table}\n${result.requests} requests in ${((Date.now() - from) / 1000).toFixed(1)} s`);
  if (result.unproven.length > 0) say(`never answered with a 2xx: ${result.unproven.join(', ')}`);
  if (result.failures.length + result.unproven.length > 0) {
    say(`again: npm run fuzz -- --seed ${seed} --requests ${requests}`);
    process.exitCode = 1;
  } else say('every answer was as the document says');
} finally {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
}
