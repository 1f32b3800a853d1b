/** CPU time as Linux accounts for it. Elsewhere nothing is known, and that is said. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { cpuOf, cpuOfServer, serverOf } from '../../src/bench/cpu.js';

const isLinux = process.platform === 'linux';
/** What ends is counted with whoever started it. */
const BUSY_MS = 300;
const busy = `const until = Date.now() + ${BUSY_MS}; while (Date.now() < until);`;
const parent = `require('node:child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(busy)}]); console.log('done'); process.stdin.resume();`;

test('of a process, and of one that there is not', () => {
  // Time in the kernel counts too.
  while (process.cpuUsage().system < 60_000) statSync('.');
  const { user, system } = process.cpuUsage();
  const found = cpuOf(process.pid);
  if (!isLinux) return expect(found).toBeNull();
  // Linux counts in hundredths of a second.
  expect(Math.abs((found ?? 0) - (user + system))).toBeLessThan(40_000);
  expect(cpuOf(2 ** 30)).toBeNull();
});

test('of a server with what it started and what has ended since', async () => {
  if (!isLinux) return expect(cpuOfServer(process.pid)).toBeNull();
  const child = spawn(process.execPath, ['-e', parent]);
  await once(child.stdout, 'data');
  const [own, all] = [cpuOf(child.pid ?? 0), cpuOfServer(child.pid ?? 0)];
  child.kill();
  // On a busy machine the child had less than all of a core.
  expect((all ?? 0) - (own ?? 0)).toBeGreaterThan(30_000);
});

test('whose session it is, if its title says that it is one of ours', () => {
  expect(serverOf(process.pid, 'jest')).toBe(isLinux ? process.ppid : null);
  expect(serverOf(process.pid, 'tercet_bench_of_nobody')).toBeNull();
});
