/** What a clone of the repository has and an installed package has not: the demo. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Command } from './command.js';
import { EXIT, Failure } from './exit.js';
import type { Exit } from './exit.js';

/** This file runs as dist/src/cli/scripts.js. */
const ROOT = new URL('../../../', import.meta.url);
const SIGNAL_EXIT = 128;

export const demo: Command = {
  name: 'demo',
  summary: 'plays orders, crashes and all, on this machine (in a clone)',
  operands: '[--orders N]',
  isPassing: true,
  about: 'Starts a PostgreSQL, a coordinator and four services of its own, and stops them again.',
  examples: [
    ['tercet demo', 'orders placed, refused, undone and paid, with a coordinator and services killed'],
    ['tercet demo --orders 500', 'as many at once, with random kills; then counts every cent'],
  ],
  run: ({ operands }) => script('dist/examples/scenarios/demo.js', operands),
};

/** Runs it to its end, on this terminal; its exit code is ours. */
async function script(path: string, args: readonly string[]): Promise<Exit> {
  const url = new URL(path, ROOT);
  if (!existsSync(url)) {
    throw new Failure(
      `${path} is not here: it is part of a clone of the repository, not of the installed package`,
      EXIT.failed,
      'clone the repository, run `npm ci` in it, then this command again',
    );
  }
  const child = spawn(process.execPath, [fileURLToPath(url), ...args], { stdio: 'inherit' });
  // The terminal sends its signals to both; whoever sends one to this process alone means the child.
  const passOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', passOn);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      const ended = signal === null ? code : SIGNAL_EXIT + constants.signals[signal];
      resolve((ended ?? EXIT.failed) as Exit);
    });
  });
}
