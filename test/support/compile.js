/** Compiles files of the tree into a folder of their own, for plain Node: what Jest does for the tests. */
import { transformSync } from '@swc/core';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const SWC = { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } };

/** What src/storage/embedded.ts needs. */
const EMBEDDED = [
  'src/protocol/errors.ts',
  'src/storage/embedded.ts',
  'src/storage/embedded-binaries.ts',
  'src/storage/embedded-cluster.ts',
];
/** @returns the folder, to be removed after use, and the path of embedded.js in it */
export function compileEmbedded() {
  const folder = compile(EMBEDDED);
  return { folder, entry: join(folder, 'src/storage/embedded.js') };
}

/** Files of this folder, for the benchmarks. @returns the folder, to be removed after use, and where they are in it */
export function compileSupport(...names) {
  const folder = compile(names.map((name) => `test/support/${name}`));
  return { folder, support: join(folder, 'test/support') };
}

function compile(sources) {
  // Inside node_modules, so that packages are found from there.
  const cache = join(root, 'node_modules/.cache/tercet');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'compiled-'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  for (const source of sources) {
    const target = join(folder, source).replace(/\.ts$/, '.js');
    mkdirSync(dirname(target), { recursive: true });
    const text = readFileSync(join(root, source), 'utf8');
    writeFileSync(target, transformSync(text, { filename: join(root, source), ...SWC }).code);
  }
  return folder;
}
