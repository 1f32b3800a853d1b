/** Somebody with locks in a process of its own, which can be frozen and killed: lock-program.js. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { within } from '../../src/platform/within.js';

/** What such a process keeps its locks in. */
export interface StoreSpec {
  /** None: PostgreSQL. One: Redis. More: Redlock. */
  readonly redis: readonly string[];
  /** With Redis, the database whose tokens count. */
  readonly database: string | null;
  readonly options: { readonly prefix?: string; readonly timeoutMs?: number };
}

export interface Word {
  readonly done?: string;
  readonly failed?: string;
  readonly code?: string;
  readonly told?: string;
  readonly token?: number;
  /** Who of it asks for the lock, and who then has it. */
  readonly asks?: number;
  readonly waiter?: number;
  readonly timers?: number;
}

/** More than anything that is ordered takes; a test that waits for it fails with what was said until then. */
const PATIENCE_MS = 45_000;
const program = fileURLToPath(new URL('lock-program.js', import.meta.url));

export class LockProcess {
  /** All that it has said. */
  readonly said: Word[] = [];
  private readonly heard = new Set<() => void>();

  private constructor(private readonly child: ChildProcess) {
    child.on('message', (word: Word) => {
      this.said.push(word);
      for (const hear of this.heard) hear();
    });
    child.once('exit', () => this.heard.forEach((hear) => hear()));
  }

  static async start(spec: StoreSpec): Promise<LockProcess> {
    const child = fork(program, [JSON.stringify(spec)]);
    const process = new LockProcess(child);
    await process.hears((word) => 'ready' in word);
    return process;
  }

  /** What it says of the order when it has been carried out, or could not be. */
  async order(order: string, details: object = {}): Promise<Word> {
    const before = this.said.length;
    this.child.send({ order, ...details });
    return await this.hears((word) => word.done === order || word.failed === order, before);
  }

  /** It does nothing until it is thawed; what is sent meanwhile waits for it. */
  freeze(): void {
    this.child.kill('SIGSTOP');
  }

  thaw(): void {
    this.child.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  private hears(isIt: (word: Word) => boolean, from = 0): Promise<Word> {
    const said = (): string => JSON.stringify(this.said.slice(-5));
    let stop = (): void => undefined;
    const heard = new Promise<Word>((resolve, reject) => {
      const look = (): void => {
        const word = this.said.slice(from).find(isIt);
        if (word) resolve(word);
        else if (this.child.exitCode !== null || this.child.signalCode !== null) {
          reject(new Error(`the process ended before it said more than ${said()}`));
        }
      };
      stop = () => this.heard.delete(look);
      this.heard.add(look);
      look();
    });
    const late = (): Error => new Error(`the process has said nothing of it for ${PATIENCE_MS} ms, only ${said()}`);
    return within(PATIENCE_MS, heard, late).finally(stop);
  }
}
