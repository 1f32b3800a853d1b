/** Real processes on this machine: started, waited for, killed, started again. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

const START_MS = 60_000;
const STOP_MS = 15_000;
const OUTPUT_CHARS = 20_000;

export interface Program {
  readonly name: string;
  /** Path of the script for Node. */
  readonly script: string;
  readonly args?: readonly string[];
  /** Added to the environment of this process. */
  readonly env: Readonly<Record<string, string>>;
}

/** A program that can be started again and again, and says `listening on URL` when it is up. */
export class Service {
  private child: ChildProcess | null = null;
  private output = '';
  url = '';

  constructor(readonly program: Program) {}

  get pid(): number | undefined {
    return this.child?.pid;
  }

  get isRunning(): boolean {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The last of what it printed. */
  get printed(): string {
    return this.output;
  }

  async start(): Promise<void> {
    const { name, script, args = [], env } = this.program;
    const child = spawn(process.execPath, [script, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`${name} ${why}; it printed:\n${this.output}`));
      const timer = setTimeout(() => fail(`was not up after ${START_MS / 1000} s`), START_MS);
      const read = (chunk: Buffer): void => {
        this.output = `${this.output}${chunk.toString()}`.slice(-OUTPUT_CHARS);
        const found = /listening on (http:\/\/[^\s"]+)/.exec(chunk.toString());
        if (!found?.[1]) return;
        this.url = found[1];
        clearTimeout(timer);
        resolve();
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        fail(`ended with ${signal ?? code}`);
      });
    });
  }

  /** Sends a signal and, unless the process only stops for a while, waits for its end; gives the exit code. */
  async signal(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.child;
    if (!child || !this.isRunning) return child?.exitCode ?? null;
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') {
      child.kill(signal);
      return null;
    }
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    const code = await ended;
    clearTimeout(timer);
    return code;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
