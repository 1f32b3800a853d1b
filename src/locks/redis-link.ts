/** A connection to one Redis, for locks: each answer within a limit, and what may have been done is undone. */
import type { Redis } from 'ioredis';
import { CodedError } from '../platform/coded-error.js';
import { duplicateOf } from '../platform/redis-duplicate.js';
import { within } from '../platform/within.js';
import type { Script } from './redis-scripts.js';

/** A run of a script. */
export interface Call {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

export class RedisLink {
  private readonly redis: Redis;
  /** For people; without credentials. */
  private readonly address: string;
  private readonly underway = new Set<Promise<unknown>>();
  private changing: Promise<void> | null = null;
  private trouble: Error | null = null;
  private answeredAt = 0;
  private isClosed = false;

  /** @param timeoutMs for each answer, and for the connection it may need first */
  constructor(
    redis: Redis,
    private readonly timeoutMs: number,
  ) {
    const { path, host, port, name, sentinels } = redis.options;
    this.address = sentinels ? `${name} of ${sentinels.length} sentinels` : (path ?? `${host}:${port}`);
    this.redis = duplicateOf(redis, timeoutMs);
    this.redis.on('error', (error: Error) => (this.trouble = error));
    this.redis.on('ready', () => (this.trouble = null));
  }

  /**
   * @param undo run when it is not known whether the script ran, until it is known to have run or `forMs` are over
   * @throws CodedError TERCET_LOCK_UNAVAILABLE
   */
  async run(call: Call, undo?: Call & { readonly forMs: number }): Promise<unknown> {
    const { script, keys, args } = call;
    const onDoubt = undo && ((): void => this.insist(undo, undo.forMs));
    try {
      return await this.ask((redis) => redis.evalsha(script.sha, keys.length, ...keys, ...args), onDoubt);
    } catch (error) {
      if (!refusal(error)?.startsWith('NOSCRIPT')) throw error;
    }
    return await this.ask((redis) => evaluate(redis, call), onDoubt);
  }

  /**
   * @param send one command, which is sent at once if there is a connection
   * @param onDoubt called when it was sent and no answer came
   * @throws CodedError TERCET_LOCK_UNAVAILABLE
   */
  ask<T>(send: (redis: Redis) => Promise<T>, onDoubt?: () => void): Promise<T> {
    if (this.isClosed) return Promise.reject(unavailable('this store of locks was closed'));
    return this.tracked(this.answer(send, onDoubt));
  }

  /** After what is under way, which takes its time limit at most. */
  async close(): Promise<void> {
    this.isClosed = true;
    while (this.underway.size > 0) await Promise.allSettled(this.underway);
    this.redis.disconnect();
  }

  private async answer<T>(send: (redis: Redis) => Promise<T>, onDoubt?: () => void): Promise<T> {
    const state = { sentAt: Infinity, isOver: false };
    const answered = async (): Promise<T> => {
      while (!this.isOpen && !state.isOver) await this.changed();
      if (state.isOver) throw new Error('nobody waits for it any more');
      state.sentAt = performance.now();
      return await send(this.redis);
    };
    try {
      const late = (): Error => new Error(`no answer within ${this.timeoutMs} ms`);
      const result = await within(this.timeoutMs, answered(), late);
      this.answeredAt = performance.now();
      return result;
    } catch (error) {
      state.isOver = true;
      if (refusal(error) !== null) this.answeredAt = performance.now();
      else if (state.sentAt < Infinity) this.doubt(state.sentAt, onDoubt);
      throw this.explained(error as Error);
    }
  }

  private doubt(sentAt: number, onDoubt?: () => void): void {
    // On the same connection it comes after what it is to undo, however late that is read.
    onDoubt?.();
    if (this.answeredAt < sentAt && this.isOpen) this.redis.disconnect(true);
  }

  /** Until it has run, for at most so long. */
  private insist(call: Call, forMs: number): void {
    const until = performance.now() + forMs;
    const insisting = async (): Promise<void> => {
      do {
        try {
          return void (await this.answer((redis) => evaluate(redis, call)));
        } catch (error) {
          if (refusal(error) !== null) return;
        }
      } while (!this.isClosed && performance.now() < until);
    };
    void this.tracked(insisting());
  }

  private get isOpen(): boolean {
    return this.redis.status === 'ready' && this.redis.stream.writable;
  }

  /** Until the connection is there, or one more attempt to get it has failed: whoever gave up meanwhile goes then. */
  private changed(): Promise<void> {
    const { status } = this.redis;
    if (status === 'wait' || status === 'end') this.redis.connect().catch(() => {});
    return (this.changing ??= new Promise((resolve) => {
      const change = (): void => {
        this.redis.off('ready', change).off('close', change);
        this.changing = null;
        resolve();
      };
      this.redis.on('ready', change).on('close', change);
    }));
  }

  private tracked<T>(work: Promise<T>): Promise<T> {
    this.underway.add(work);
    const over = (): void => void this.underway.delete(work);
    work.then(over, over);
    return work;
  }

  private explained(error: Error): CodedError {
    const refused = refusal(error);
    const what = refused === null ? `does not answer: ${(this.trouble ?? error).message}` : `refuses: ${refused}`;
    const isCluster = refused?.startsWith('MOVED') || refused?.startsWith('CROSSSLOT');
    const next = isCluster
      ? 'locks need a Redis that is not part of a cluster; name one'
      : 'see that it runs, is a master and can be reached from here';
    return unavailable(`Redis at ${this.address} ${what}; ${next}`, error);
  }
}

/** What Redis said when it refused a command; null: something else went wrong, and the command may have been done. */
function refusal(error: unknown): string | null {
  const { cause } = error as Error;
  const said = (cause ?? error) as Error;
  return said.name === 'ReplyError' ? said.message : null;
}

function evaluate(redis: Redis, { script, keys, args }: Call): Promise<unknown> {
  return redis.eval(script.text, keys.length, ...keys, ...args);
}

function unavailable(what: string, cause?: Error): CodedError {
  return new CodedError('TERCET_LOCK_UNAVAILABLE', what, { cause });
}
