/** Who is to be woken when Redis says that something happened: one connection, there only while somebody waits. */
import type { Redis } from 'ioredis';
import { duplicateOf } from '../platform/redis-duplicate.js';
import { Wakes } from './wakes.js';

/** The connection outlives the last who waited by so long: on a lock in demand the next one comes soon. */
const IDLE_MS = 5000;

export class RedisWatch {
  private readonly wakes = new Wakes();
  private connection: Redis | null = null;
  private idle: NodeJS.Timeout | undefined;

  constructor(
    private readonly redis: Redis,
    private readonly timeoutMs: number,
  ) {}

  /** Calls `wake` for each message in the channel, and whenever this begins to listen. The function returned ends it. */
  watch(channel: string, wake: () => void): () => void {
    clearTimeout(this.idle);
    this.wakes.add(channel, wake);
    this.connection ??= this.connect();
    this.listen(channel);
    return () => this.forget(channel, wake);
  }

  close(): void {
    clearTimeout(this.idle);
    this.wakes.clear();
    this.connection?.disconnect();
    this.connection = null;
  }

  private connect(): Redis {
    const connection = duplicateOf(this.redis, this.timeoutMs);
    // It connects again by itself; who waits looks from time to time.
    connection.on('error', () => {});
    connection.on('ready', () => {
      for (const channel of this.wakes.names()) this.listen(channel);
    });
    connection.on('message', (channel: string) => this.wakes.wake(channel));
    connection.connect().catch(() => {});
    return connection;
  }

  /** To a channel that is listened to already this adds nothing, and wakes once. */
  private listen(channel: string): void {
    if (this.connection?.status !== 'ready') return;
    this.connection.subscribe(channel).then(
      () => this.wakes.wake(channel),
      () => {},
    );
  }

  private forget(channel: string, wake: () => void): void {
    if (!this.wakes.delete(channel, wake)) return;
    if (this.connection?.status === 'ready') this.connection.unsubscribe(channel).catch(() => {});
    if (!this.wakes.isEmpty) return;
    this.idle = setTimeout(() => this.close(), IDLE_MS);
    this.idle.unref();
  }
}
