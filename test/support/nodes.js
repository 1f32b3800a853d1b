/**
 * Runs the tests that touch the system on the oldest and the newest Node that Tercet supports. The npm package `node`
 * has one package for each platform, with nothing but the program in it; no install script runs.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { arch, platform } from 'node:os';
import { join } from 'node:path';

const VERSIONS = ['20.19.0', '24'];
const SUITES = ['test/integration', 'test/contract', 'test/http', 'test/participants', 'test/client', 'test/e2e'];

for (const version of VERSIONS) {
  const node = install(version);
  const shown = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  process.stdout.write(`\nNode ${shown}\n`);
  const args = [
    '--experimental-vm-modules',
    '--no-warnings',
    'node_modules/jest/bin/jest.js',
    ...SUITES.filter(existsSync),
  ];
  const { status } = spawnSync(node, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

function install(version) {
  const name = `node-${platform() === 'win32' ? 'win' : platform()}-${arch()}`;
  const folder = join('node_modules/.cache/tercet', `node-${version}`);
  const root = join(folder, 'node_modules', name);
  if (!existsSync(root)) {
    mkdirSync(folder, { recursive: true });
    const npm = platform() === 'win32' ? 'npm.cmd' : 'npm';
    const flags = ['--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
    execFileSync(npm, ['install', ...flags, `${name}@${version}`], { stdio: 'inherit' });
  }
  const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return join(process.cwd(), root, typeof bin === 'string' ? bin : (bin?.node ?? 'bin/node'));
}
