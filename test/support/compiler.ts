/** What the compiler says of one file, with everything strict: nothing when it is sound. */
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const STRICT = ['--strict', '--noUncheckedIndexedAccess', '--exactOptionalPropertyTypes', '--skipLibCheck'];
const NODE = ['--target', 'es2022', '--module', 'nodenext', '--types', 'node'];

export function compilerSays(path: string): Promise<string> {
  const args = ['node_modules/typescript/bin/tsc', '--noEmit', ...STRICT, ...NODE, path];
  return new Promise((done) => {
    execFile(process.execPath, args, { cwd: root }, (error, stdout) => done(stdout + (error?.message ?? '')));
  });
}
