/** Redis for a scenario: the one that REDIS_URL names, or a server of its own where `redis-server` is installed. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CleanUp } from './databases.js';
import { freePort } from './processes.js';

const START_MS = 10_000;
const POLL_MS = 20;

/** @returns its URL; null: there is none on this machine */
export async function findRedis(cleanUps: CleanUp[]): Promise<string | null> {
  const given = process.env['REDIS_URL'];
  if (given) return given;
  const port = await freePort();
  // Keeps nothing: no file is left of it.
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const server = spawn('redis-server', args, { stdio: 'ignore' });
  const ended = new Promise<false>((done) => {
    server.once('error', () => done(false));
    server.once('exit', () => done(false));
  });
  cleanUps.push(() => stop(server));
  const isUp = await Promise.race([listens(port), ended]);
  return isUp ? `redis://127.0.0.1:${port}` : null;
}

async function listens(port: number): Promise<boolean> {
  for (const until = performance.now() + START_MS; performance.now() < until; await sleep(POLL_MS)) {
    const isThere = await new Promise<boolean>((done) => {
      const socket = connect(port, '127.0.0.1', () => done(true)).on('error', () => done(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isThere) return true;
  }
  return false;
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'exit');
  server.kill('SIGTERM');
  await ended;
}
