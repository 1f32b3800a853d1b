/**
 * Compiles the engine and the simulation into a folder of its own and gives the path of its entry. The edits, if
 * any, are planted mutants: each must be found in its file, or the mutant no longer means what it says.
 */
import { transformSync } from '@swc/core';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const ROOMS = ['src/protocol', 'src/domain', 'src/engine', 'test/simulation'];

export function compileSimulation(edits = []) {
  // Inside node_modules, so that packages are found from there.
  const cache = join(root, 'node_modules/.cache/tercet');
  mkdirSync(cache, { recursive: true });
  const out = mkdtempSync(join(cache, 'simulation-'));
  writeFileSync(join(out, 'package.json'), '{"type":"module"}');
  const left = new Set(edits);
  for (const room of ROOMS) {
    for (const file of readdirSync(join(root, room))) {
      const path = join(root, room, file);
      const target = join(out, relative(root, path)).replace(/\.ts$/, '.js');
      mkdirSync(dirname(target), { recursive: true });
      if (file.endsWith('.d.ts') || file.endsWith('.test.ts')) continue;
      if (!file.endsWith('.ts')) {
        cpSync(path, target);
        continue;
      }
      let source = readFileSync(path, 'utf8');
      for (const edit of edits.filter(({ file: of }) => of === `${room}/${file}`)) {
        for (const { find, replace } of [edit, edit.also ?? []].flat()) source = edited(source, find, replace, edit);
        left.delete(edit);
      }
      writeFileSync(target, transformSync(source, { filename: path, sourceMaps: 'inline', ...SWC }).code);
    }
  }
  if (left.size > 0) throw new Error(`no such file: ${[...left].map((edit) => edit.file).join(', ')}`);
  return { entry: join(out, 'test/simulation/simulate.js'), folder: out };
}

function edited(source, find, replace, { name, file }) {
  if (source.split(find).length !== 2) throw new Error(`${name}: '${find}' is not once in ${file}`);
  return source.replace(find, () => replace);
}

const SWC = { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } };
