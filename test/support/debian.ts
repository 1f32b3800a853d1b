/** Programs that tests need and npm does not have: from the PATH, or else from a package of Debian. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const CACHE = join(import.meta.dirname, '../../node_modules/.cache/tercet-test');
const LIMIT_MS = 180_000;
/** Asked by packages that would start a service; 101 forbids it. */
const POLICY = '/usr/sbin/policy-rc.d';

/**
 * The path of the program `name`, which `packageName` brings. As root the package is installed, and no service of it
 * started; any other user has it unpacked in a folder of the clone. Null: neither works, and standard error says why.
 *
 * @throws where CI is set: there no test is left out
 */
export function programOf(name: string, packageName: string): string | null {
  const there = find(name, packageName);
  if (there !== null) return there;
  try {
    if (process.getuid?.() === 0) install(packageName);
    else unpack(packageName);
  } catch (error) {
    const why = `${name} is not here, and Debian's package ${packageName} cannot be had: ${said(error)}`;
    if (process.env['CI']) throw new Error(why, { cause: error });
    process.stderr.write(`${why}; the tests that need it are skipped\n`);
    return null;
  }
  const found = find(name, packageName);
  if (found === null) throw new Error(`Debian's package ${packageName} has no program ${name}`);
  return found;
}

function find(name: string, packageName: string): string | null {
  const folders = (process.env['PATH'] ?? '').split(':');
  for (const inside of ['usr/bin', 'usr/sbin', 'bin']) folders.push(join(CACHE, packageName, inside));
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

function install(packageName: string): void {
  const forbids = !existsSync(POLICY);
  if (forbids) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const get = (...args: string[]): void => run('apt-get', ['-o', 'DPkg::Lock::Timeout=120', '-qq', ...args]);
  try {
    try {
      get('install', '-y', '--no-install-recommends', packageName);
    } catch {
      // The lists of packages are missing or old.
      get('update');
      get('install', '-y', '--no-install-recommends', packageName);
    }
  } finally {
    if (forbids) rmSync(POLICY, { force: true });
  }
}

function unpack(packageName: string): void {
  const folder = join(CACHE, packageName);
  mkdirSync(folder, { recursive: true });
  run('sh', ['-c', 'apt-get -qq download "$1" && dpkg -x "$1"_*.deb .', 'sh', packageName], folder);
}

function run(program: string, args: string[], cwd?: string): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  execFileSync(program, args, { ...(cwd ? { cwd } : {}), env, stdio: ['ignore', 'ignore', 'pipe'], timeout: LIMIT_MS });
}

function said(error: unknown): string {
  const { stderr } = error as { stderr?: Buffer };
  return (stderr?.toString().trim() || String(error)).split('\n').slice(-3).join(' ');
}
