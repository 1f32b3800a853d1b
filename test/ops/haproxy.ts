/** A real HAProxy with the configuration of ops/, in front of servers of this machine. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../examples/scenarios/processes.js';
import { programOf } from '../support/debian.js';

/** Null: it cannot be had here. */
export const haproxy = programOf('haproxy', 'haproxy');
export const CONFIGURATION = readFileSync(new URL('../../ops/haproxy.cfg', import.meta.url), 'utf8');
const START_MS = 10_000;

/** @param addresses by what stands in the text, as `coordinator-1:8372`: what it is on this machine */
export function atHome(text: string, addresses: Readonly<Record<string, string>>): string {
  let result = text;
  for (const [name, address] of Object.entries(addresses)) {
    result = result.replaceAll(new RegExp(`(?<![\\w-])${name}(?!\\d)`, 'g'), address);
  }
  return result;
}

export class Haproxy {
  private said = '';

  private constructor(
    readonly url: string,
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {
    child.stderr?.on('data', (chunk: Buffer) => (this.said += chunk.toString()));
  }

  /** @param nodes where coordinator-1 and coordinator-2 are; resolves when requests are taken */
  static async start(nodes: readonly [string, string]): Promise<Haproxy> {
    const own = `127.0.0.1:${await freePort()}`;
    const [one, two] = nodes.map((url) => new URL(url).host);
    const names = { 'coordinator-1:8372': one!, 'coordinator-2:8372': two! };
    const folder = mkdtempSync(join(tmpdir(), 'tercet-haproxy-'));
    const file = join(folder, 'haproxy.cfg');
    writeFileSync(file, atHome(CONFIGURATION, names).replace('bind :8372', `bind ${own}`));
    const child = spawn(haproxy ?? '', ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    const proxy = new Haproxy(`http://${own}`, child, folder);
    for (const end = Date.now() + START_MS; !(await proxy.answers());) {
      if (Date.now() > end || child.exitCode !== null) throw new Error(`HAProxy does not run: ${proxy.said}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return proxy;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await ended;
    rmSync(this.folder, { recursive: true });
  }

  private answers(): Promise<boolean> {
    return fetch(`${this.url}/health/live`).then(
      () => true,
      () => false,
    );
  }
}
