/**
 * A real Redis for tests: the one that REDIS_URL names, or `redis-server`, from a package of Debian where it is not
 * installed. Where it cannot be had, the tests are skipped and standard error says why; with CI set they fail.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { programOf } from './debian.js';
import { runFolder, sharedServer } from './run.js';
import { freePorts, ServerProcess } from './server-process.js';

const READY_MS = 30_000;

let found: string | null | undefined;

function program(): string | null {
  return (found ??= programOf('redis-server', 'redis-server'));
}

/** `describe` for tests that need `redisUrl`, or what skips them. */
export function withRedis(): typeof describe {
  return process.env['REDIS_URL'] || program() ? describe : describe.skip;
}

/** `describe` for tests that need `startRedis`, or what skips them. */
export function withOwnRedis(): typeof describe {
  return program() ? describe : describe.skip;
}

/**
 * The server that all tests of the run share, as REDIS_URL has it. Who asks first starts it; it ends with the run.
 * Tests use keys of their own on it and leave it as it is.
 */
export async function redisUrl(): Promise<string> {
  const given = process.env['REDIS_URL'];
  if (given) return given;
  return await sharedServer('redis-shared', async (folder) => (await startIn(folder, [])).url);
}

/** A server for tests that freeze, kill, restart or replicate it. They stop it; what they do not stop ends with the run. */
export function startRedis(...settings: string[]): Promise<RedisServer> {
  return startIn(join(runFolder(), `redis-${randomBytes(4).toString('hex')}`), settings);
}

async function startIn(folder: string, settings: string[]): Promise<RedisServer> {
  const path = program();
  if (path === null) throw new Error('no Redis can be started here: use withRedis() or withOwnRedis()');
  const [port] = await freePorts();
  const server = new RedisServer(new ServerProcess(path, folder), port, settings);
  try {
    await server.restart();
  } catch (error) {
    await server.kill();
    throw error;
  }
  return server;
}

/** It forgets everything when it ends, unless it was started with `--appendonly yes`. */
export class RedisServer {
  constructor(
    private readonly server: ServerProcess,
    readonly port: number,
    private readonly settings: readonly string[],
  ) {}

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** For who only wants to know where it is: it is not connected. */
  named(): Redis {
    return new Redis(this.url, { lazyConnect: true });
  }

  /** It keeps its connections and answers nothing. */
  freeze(): void {
    this.server.signal('SIGSTOP');
  }

  thaw(): void {
    this.server.signal('SIGCONT');
  }

  kill(): Promise<void> {
    return this.server.kill();
  }

  stop(): Promise<void> {
    return this.server.stop();
  }

  /** After a kill, until it answers. `settings` are added for this start only. */
  async restart(...settings: string[]): Promise<void> {
    const ended = this.start(...settings);
    let hasEnded = false;
    void ended.then(() => (hasEnded = true));
    await this.until(() => {
      if (hasEnded) throw new Error(`Redis ended: ${this.server.lastWords()}`);
      return this.with(async (redis) => (await redis.ping()) === 'PONG').catch(() => false);
    }, `Redis does not answer: ${this.server.lastWords()}`);
  }

  /** The same, but waits for nothing: it may still load its data. @returns what is fulfilled when it has ended */
  start(...settings: string[]): Promise<void> {
    const own = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.server.folder];
    const quick = ['--save', '', '--appendfsync', 'always', '--repl-diskless-sync-delay', '0'];
    return this.server.start([...own, ...quick, ...this.settings, ...settings]);
  }

  /** Until it has all that the master has, and gets what comes. @param port of the master, or of what leads to it */
  async replicate(port: number): Promise<void> {
    await this.with((redis) => redis.replicaof('127.0.0.1', port));
    const isUp = (): Promise<boolean> =>
      this.with(async (redis) => (await redis.info('replication')).includes('master_link_status:up'));
    await this.until(isUp, 'the replica did not catch up');
  }

  /** Until it has what the master has now. */
  async caughtUp(master: RedisServer): Promise<void> {
    const offset = (server: RedisServer): Promise<number> =>
      server.with(async (redis) => Number(/master_repl_offset:(\d+)/.exec(await redis.info('replication'))?.[1]));
    const goal = await offset(master);
    await this.until(async () => (await offset(this)) >= goal, 'the replica did not catch up');
  }

  async promote(): Promise<void> {
    await this.with((redis) => redis.replicaof('NO', 'ONE'));
  }

  /** Over a connection of its own, which fails at once where the server is not there. */
  async with<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(this.port, '127.0.0.1', { lazyConnect: true, retryStrategy: () => null });
    redis.on('error', () => {});
    try {
      await redis.connect();
      return await work(redis);
    } finally {
      if (redis.status !== 'end') redis.disconnect();
    }
  }

  private async until(isSo: () => Promise<boolean>, otherwise: string): Promise<void> {
    const deadline = performance.now() + READY_MS;
    while (!(await isSo())) {
      if (performance.now() > deadline) throw new Error(otherwise);
      await pause(20);
    }
  }
}
