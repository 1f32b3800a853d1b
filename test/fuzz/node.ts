/** The coordinator as a process, as it is started in production, with an ear on what it prints. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

const START_MS = 60_000;
const STOP_MS = 60_000;
const MAX_LINES = 20;
/** What no request may bring it to say. */
const ALARMING = /defect|unhandled/i;

export class Node {
  /** Lines that tell of a defect, the first of them. */
  readonly alarming: string[] = [];
  private rest = '';
  private last: string[] = [];

  private constructor(
    private readonly child: ChildProcess,
    public url = '',
  ) {}

  static async start(root: string, databaseUrl: string): Promise<Node> {
    const inherited = Object.entries(process.env).filter(([name]) => !/^(TERCET|OTEL)_/.test(name));
    const own = { TERCET_LISTEN: '127.0.0.1:0', TERCET_CONFIG_KEYS: `k:${randomBytes(32).toString('base64')}` };
    const env = { ...Object.fromEntries(inherited), DATABASE_URL: databaseUrl, ...own };
    const child = spawn(process.execPath, [join(root, 'bin/tercet.js'), 'serve'], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const node = new Node(child);
    child.stderr.on('data', (chunk: Buffer) => node.hear(chunk.toString()));
    node.url = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), START_MS);
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`the node did not start:\n${node.last.join('\n')}`)));
      child.stdout.on('data', (chunk: Buffer) => {
        const [, url] = /listening on (http:\S+)/.exec(chunk.toString()) ?? [];
        if (url === undefined) return;
        clearTimeout(timer);
        resolve(url);
      });
    });
    return node;
  }

  /** How it ended, or null: it runs. */
  get ended(): string | null {
    const { exitCode, signalCode } = this.child;
    if (exitCode === null && signalCode === null) return null;
    return `the node ended with ${signalCode ?? exitCode}:\n${this.last.join('\n')}`;
  }

  /** @returns what was wrong with its end, or null */
  async stop(): Promise<string | null> {
    if (this.ended !== null) return this.ended;
    const over = new Promise((resolve) => this.child.once('close', resolve));
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await over;
    clearTimeout(timer);
    return this.child.exitCode === 0 ? null : this.ended;
  }

  private hear(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    this.last = [...this.last, ...lines].slice(-MAX_LINES);
    const alarming = lines.filter((line) => ALARMING.test(line));
    this.alarming.push(...alarming.slice(0, MAX_LINES - this.alarming.length));
  }
}
