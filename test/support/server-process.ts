/** A server of one's own as a process: frozen, killed and started again; and ports for it. */
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

interface Running {
  readonly pid: number;
  readonly ended: Promise<void>;
  ref: () => void;
}

/** It outlives this process: its id stands in `folder/pid` until it is stopped, so that the run can end it. */
export class ServerProcess {
  private running: Running | null = null;

  constructor(
    private readonly program: string,
    readonly folder: string,
  ) {
    mkdirSync(folder, { recursive: true });
  }

  /** @returns what is fulfilled when the process has ended, for whatever reason */
  start(args: readonly string[]): Promise<void> {
    const output = openSync(this.log, 'a');
    const child = spawn(this.program, args, { detached: true, stdio: ['ignore', output, output] });
    closeSync(output);
    child.unref();
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()));
    if (child.pid === undefined) throw new Error(`${this.program} did not start`);
    this.running = { pid: child.pid, ended, ref: () => child.ref() };
    writeFileSync(join(this.folder, 'pid'), String(child.pid));
    return ended;
  }

  signal(name: NodeJS.Signals): void {
    if (this.running === null) throw new Error(`${this.program} is not running`);
    process.kill(this.running.pid, name);
  }

  /** As a crash does, frozen or not; nothing if it is not running. */
  async kill(): Promise<void> {
    if (this.running === null) return;
    const { ended, ref } = this.running;
    // Nothing else may keep this process until it has ended.
    ref();
    this.signal('SIGKILL');
    this.running = null;
    await ended;
    rmSync(join(this.folder, 'pid'), { force: true });
  }

  /** For good: its folder is gone. */
  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The end of what it has said. */
  lastWords(): string {
    return readFileSync(this.log, 'utf8').trim().split('\n').slice(-5).join('\n');
  }

  private get log(): string {
    return join(this.folder, 'log');
  }
}

/** Two that nobody listens on. */
export async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  const ports = await Promise.all(
    servers.map(async (server) => {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return (server.address() as AddressInfo).port;
    }),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports as [number, number];
}
