/** One PostgreSQL data folder and the server over it: initdb, start, pid file, stop. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertUsable, unprivilegedUser, unusable, usableBinaries, WORKING_DIRECTORY } from './embedded-binaries.js';
import type { RunAs } from './embedded-binaries.js';

const STOP_MS = 30_000;
const POLL_MS = 50;
const LOG_BYTES = 1024 * 1024;
const LOG_TAIL_CHARS = 1500;

/** What initdb is told, and what every later start must know of the cluster. */
interface Identity {
  readonly password: string;
  port: number;
}

export class EmbeddedCluster {
  private readonly data: string;
  private readonly identityFile: string;
  readonly logFile: string;

  private constructor(
    private readonly folder: string,
    private readonly binaries: string,
    private readonly runAs: RunAs,
  ) {
    this.data = join(folder, 'data');
    this.identityFile = join(this.data, 'tercet.json');
    this.logFile = join(folder, 'postgres.log');
  }

  /** Makes the folder if need be and finds binaries and a user that may use both. */
  static async open(path: string): Promise<EmbeddedCluster> {
    const folder = resolve(path);
    await fs.mkdir(dirname(folder), { recursive: true });
    await fs.mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    const real = await fs.realpath(folder);
    const runAs = await unprivilegedUser(real);
    await assertUsable(real, runAs);
    return new EmbeddedCluster(real, await usableBinaries(runAs), runAs);
  }

  /** Makes the cluster unless it is there. Of two processes that try at once one wins, and both go on with it. */
  async initialise(): Promise<Identity> {
    if (!existsSync(this.identityFile)) {
      const draft = await fs.mkdtemp(join(this.folder, 'initdb-'));
      try {
        const identity: Identity = { password: randomBytes(24).toString('base64url'), port: 0 };
        await this.initdb(draft, identity);
        // A folder with something in it is not replaced: whoever was first stays.
        await fs.rename(join(draft, 'data'), this.data).catch((error: unknown) => {
          if (!existsSync(this.identityFile)) throw error;
        });
      } finally {
        await fs.rm(draft, { recursive: true, force: true });
      }
    }
    return JSON.parse(await fs.readFile(this.identityFile, 'utf8')) as Identity;
  }

  async rememberPort(identity: Identity, port: number): Promise<void> {
    identity.port = port;
    await this.writeOwned(this.identityFile, JSON.stringify(identity));
  }

  /** The server over this folder, if one runs: its process and port. A pid file that names anything else is stale. */
  async running(): Promise<{ pid: number; port: number } | null> {
    const lines = await fs.readFile(join(this.data, 'postmaster.pid'), 'utf8').then(
      (text) => text.split('\n'),
      () => [],
    );
    const pid = Number(lines[0]);
    if (!Number.isInteger(pid) || pid <= 0) return null;
    return (await this.isOurs(pid)) ? { pid, port: Number(lines[3]) || 0 } : null;
  }

  /** Whether the process runs the server over this folder. */
  async isOurs(pid: number): Promise<boolean> {
    const command = await commandOf(pid);
    if (WORKING_DIRECTORY === null) return command.includes(`-D ${this.data} `);
    const directory = await fs.readlink(`/proc/${pid}/cwd`).catch(() => null);
    return directory === this.data && command.includes(`-D ${WORKING_DIRECTORY} `);
  }

  /** Starts the server; resolves with its pid, or rejects when it is gone at once. It outlives this process. */
  async start(port: number, settings: Readonly<Record<string, string>>): Promise<number> {
    // The pid may have gone to another process since: PostgreSQL itself would refuse to start then.
    if (!(await this.running())) await fs.rm(join(this.data, 'postmaster.pid'), { force: true });
    const oldLog = await fs.stat(this.logFile).catch(() => null);
    const log = await fs.open(this.logFile, oldLog && oldLog.size > LOG_BYTES ? 'w' : 'a', 0o600);
    const all = { ...SERVER_SETTINGS, ...settings, port: String(port) };
    const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    try {
      // In a process group of its own, so that Ctrl-C in a terminal reaches the coordinator alone, which then stops it.
      const server = spawn(join(this.binaries, 'postgres'), ['-D', WORKING_DIRECTORY ?? this.data, ...args], {
        ...this.runAs,
        cwd: this.data,
        detached: true,
        env: { LC_ALL: 'C', PATH: process.env['PATH'] ?? '' },
        stdio: ['ignore', log.fd, log.fd],
      });
      server.unref();
      return await new Promise<number>((started, failed) => {
        server.once('error', failed);
        server.once('spawn', () => started(server.pid ?? 0));
      });
    } finally {
      await log.close();
    }
  }

  /** Fast shutdown: open transactions are rolled back, what was committed is flushed. Then, if need be, at once. */
  async stop(pid: number): Promise<void> {
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
      const until = performance.now() + STOP_MS / 3;
      if (!(await this.isOurs(pid))) return;
      try {
        process.kill(pid, signal);
        // One that was frozen hears of it too.
        process.kill(pid, 'SIGCONT');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ESRCH') return;
        throw error;
      }
      while (performance.now() < until) {
        if (!(await this.isOurs(pid))) return;
        await sleep(POLL_MS);
      }
    }
  }

  /** The last lines that the server wrote: why it would not start. */
  async logTail(): Promise<string> {
    const text = await fs.readFile(this.logFile, 'utf8').catch(() => '');
    return text.slice(-LOG_TAIL_CHARS).trim();
  }

  private async initdb(draft: string, identity: Identity): Promise<void> {
    const data = join(draft, 'data');
    await fs.mkdir(data, { mode: 0o700 });
    if (this.runAs.uid !== undefined) {
      for (const folder of [draft, data]) await fs.chown(folder, this.runAs.uid, this.runAs.gid);
    }
    await this.writeOwned(join(draft, 'password'), identity.password);
    const args = ['-D', WORKING_DIRECTORY ?? data, '-U', 'tercet', '--auth=scram-sha-256', '--pwfile=../password'];
    const { code, output } = await this.initdbProgram(data, [
      ...args,
      '--encoding=UTF8',
      '--locale=C',
      '--no-instructions',
    ]);
    if (code !== 0) {
      throw unusable(`initdb failed in ${this.folder}: ${output.slice(-LOG_TAIL_CHARS)}`);
    }
    await this.writeOwned(join(data, 'tercet.json'), JSON.stringify(identity));
  }

  private initdbProgram(cwd: string, args: string[]): Promise<{ code: number | null; output: string }> {
    return new Promise((done, failed) => {
      const env = { LC_ALL: 'C', TZ: 'UTC', PATH: process.env['PATH'] ?? '' };
      const child = spawn(join(this.binaries, 'initdb'), args, { ...this.runAs, cwd, env });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
      child.once('error', failed);
      child.once('close', (code) => done({ code, output }));
    });
  }

  private async writeOwned(file: string, text: string): Promise<void> {
    // A name of its own: two that start at once write the same file, and neither may move the other's away.
    const draft = `${file}.${randomBytes(6).toString('hex')}.new`;
    await fs.writeFile(draft, text, { mode: 0o600 });
    if (this.runAs.uid !== undefined) await fs.chown(draft, this.runAs.uid, this.runAs.gid);
    await fs.rename(draft, file);
  }
}

const SERVER_SETTINGS = {
  listen_addresses: '127.0.0.1',
  // No socket file: it would need a short path and a folder that both users may use.
  unix_socket_directories: '',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
} as const;

/** The command line of a process; empty when it cannot be read. */
async function commandOf(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    const text = await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return text.replaceAll('\0', ' ');
  }
  return new Promise((done) => {
    const child = spawn('ps', ['-ww', '-o', 'args=', '-p', String(pid)]);
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    child.once('error', () => done(''));
    child.once('close', () => done(output));
  });
}
