/** The processes of a benchmark: started, waited for, stopped. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Trouble } from './trouble.js';

const START_MS = 60_000;
const STOP_MS = 15_000;
/** This file runs as dist/src/bench/processes.js. */
const SCRIPT = fileURLToPath(new URL('../../../bin/tercet.js', import.meta.url));
/** Of a coordinator, as `npm start` has it. */
export const NODE_FLAGS = ['--max-semi-space-size=32'];
const PARTICIPANT = fileURLToPath(new URL('participant.js', import.meta.url));

export type Environment = Readonly<Record<string, string | undefined>>;

/** A process that listens. */
export interface Started {
  readonly url: string;
  readonly pid: number;
  /** Resolves when it has ended. */
  stop(): Promise<void>;
}

/** @param env all that it gets: settings of the process around it are left out by who calls */
export function startCoordinator(databaseUrl: string, env: Environment): Promise<Started> {
  const own = { TERCET_LISTEN: '127.0.0.1:0', TERCET_LOG_LEVEL: 'error', ...env, DATABASE_URL: databaseUrl };
  return start('the coordinator', [...NODE_FLAGS, SCRIPT, 'serve'], own);
}

/** @param delayMs after how long it answers */
export function startParticipant(env: Environment, delayMs = 0): Promise<Started> {
  return start('the participant', [PARTICIPANT, String(delayMs)], env);
}

async function start(name: string, args: readonly string[], env: Environment): Promise<Started> {
  const child = spawn(process.execPath, args, {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
    // In a process group of its own, so that Ctrl-C in a terminal reaches the benchmark alone, which then stops it.
    detached: true,
  });
  const stop = (): Promise<void> => stopped(child);
  try {
    return { url: await listening(name, child), pid: child.pid ?? 0, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function listening(name: string, child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new Trouble(`${name} ${why}`, 'what it said stands above'));
    const timer = setTimeout(() => fail(`was not up after ${START_MS / 1000} s`), START_MS);
    child.stdout?.on('data', (chunk: Buffer) => {
      const found = /listening on (http:\S+)/.exec(chunk.toString());
      if (!found?.[1]) return;
      clearTimeout(timer);
      resolve(found[1]);
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      fail(`ended with ${signal ?? code}`);
    });
  });
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(timer);
}
