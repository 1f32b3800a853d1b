/**
 * npm run simulate -- [--seed N] [--schedules M] [--trace]
 *
 * Spreads the schedules over the cores, shows how far they are, and ends with 1 when a guarantee was broken. The
 * seed that it prints replays that schedule alone: --seed N --schedules 1 --trace.
 */
import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { compileSimulation } from './compile.js';

const ENDS = ['committed', 'aborted', 'sagasCommitted', 'sagasAborted', 'messagesCommitted', 'messagesAborted'];
const COUNTS = ['schedules', 'events', ...ENDS];
const NONE = Object.fromEntries(COUNTS.map((key) => [key, 0]));

/** Runs schedules `seed` to `seed + schedules - 1`; gives the sum of what ran and the first violation, if any. */
export async function simulate({ seed, schedules, workers = availableParallelism(), isTraced = false, edits = [] }) {
  const { entry, folder } = compileSimulation(edits);
  try {
    const share = Math.ceil(schedules / workers);
    const parts = Array.from({ length: workers }, (_, index) => ({
      first: seed + index * share,
      count: Math.min(share, schedules - index * share),
    })).filter(({ count }) => count > 0);
    const children = [];
    const results = await Promise.all(parts.map(({ first, count }) => run(entry, first, count, isTraced, children)));
    const sum = (key) => results.reduce((total, { counts }) => total + counts[key], 0);
    return {
      ...Object.fromEntries(COUNTS.map((key) => [key, sum(key)])),
      violation: results.find((result) => result.violation)?.violation ?? null,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param children all that run: the first violation that is found ends them */
function run(entry, first, count, isTraced, children) {
  const args = [entry, '--seed', String(first), '--schedules', String(count), ...(isTraced ? ['--trace'] : [])];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (_code, signal) => {
      if (signal === 'SIGTERM') return resolve({ counts: NONE, violation: null });
      const lines = output.trim().split('\n');
      const counts = parse(lines.pop());
      if (!counts?.schedules) return reject(new Error(`the simulation died:\n${output.slice(-2000)}`));
      const violation = parse(lines.at(-1));
      if (isTraced) process.stdout.write(`${lines.slice(0, violation ? -1 : undefined).join('\n')}\n`);
      if (violation) for (const other of children) if (other !== child) other.kill();
      resolve({ counts, violation });
    });
  });
}

function parse(line) {
  return line?.startsWith('{') ? JSON.parse(line) : null;
}

function option(name, otherwise) {
  const index = process.argv.indexOf(`--${name}`);
  if (index < 0) return otherwise;
  const value = Number(process.argv[index + 1]);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} needs a whole number from 1 on`);
  return value;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const seed = option('seed', 1 + Math.floor(Math.random() * 1e9));
  const schedules = option('schedules', 100_000);
  process.stdout.write(`${schedules} schedules from seed ${seed} on\n`);
  const from = Date.now();
  const result = await simulate({ seed, schedules, isTraced: process.argv.includes('--trace') });
  const seconds = ((Date.now() - from) / 1000).toFixed(1);
  process.stdout.write(
    `${result.schedules} schedules, ${result.committed} transactions committed, ${result.aborted} aborted, ` +
      `${result.sagasCommitted + result.sagasAborted} of them sagas (${result.sagasAborted} aborted) ` +
      `and ${result.messagesCommitted + result.messagesAborted} messages (${result.messagesAborted} aborted), ` +
      `${result.events} events, ${seconds} s\n`,
  );
  if (result.violation) {
    process.stdout.write(`seed ${result.violation.seed} breaks a guarantee:\n`);
    for (const violation of result.violation.violations) process.stdout.write(`  ${violation}\n`);
    process.stdout.write(`replay: npm run simulate -- --seed ${result.violation.seed} --schedules 1 --trace\n`);
    process.exitCode = 1;
  } else process.stdout.write('no guarantee was broken\n');
}
