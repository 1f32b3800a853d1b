/** The word that an environment has changed: through Redis where there is one, else through PostgreSQL. */
import type { Redis } from 'ioredis';
import pg from 'pg';
import type { Logger } from '../engine/ports.js';
import { Listener } from '../locks/listener.js';
import { RedisWatch } from '../locks/redis-watch.js';
import { duplicateOf } from '../platform/redis-duplicate.js';
import type { Wakeups } from './states.js';

const LIMIT_MS = 2000;
const CONNECT_MS = 3000;
/** Every write of the configuration sends it with its commit. */
const CHANNEL = 'tercet_config';

const nameOf = (environment: string): string => `tercet:config:${environment}`;

export class ConfigWakes implements Wakeups {
  private readonly pool: pg.Pool | null = null;
  private readonly listener: Listener | null = null;
  private readonly watching: RedisWatch | null = null;
  private readonly publisher: Redis | null = null;

  /** @param redis names the server; null: there is none */
  constructor(url: string, redis: Redis | null, logger: Logger) {
    if (redis) {
      this.watching = new RedisWatch(redis, LIMIT_MS);
      this.publisher = duplicateOf(redis, LIMIT_MS);
      this.publisher.on('error', () => undefined);
      // It connects again by itself; until then nobody is told, and looks.
      this.publisher.connect().catch(() => undefined);
      return;
    }
    this.pool = new pg.Pool({
      connectionString: url,
      application_name: 'tercet config',
      max: 2,
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
    });
    this.pool.on('error', (error) => logger.warn({ error: error.message }, 'an idle database connection broke'));
    this.listener = new Listener({ pool: this.pool, channel: CHANNEL, limitMs: LIMIT_MS });
  }

  watch(environment: string, wake: () => void): () => void {
    if (this.watching) return this.watching.watch(nameOf(environment), wake);
    return this.listener?.watch(environment, wake) ?? (() => undefined);
  }

  /** After the commit. Who does not hear it looks within a second. */
  tell(environment: string): void {
    this.publisher?.publish(nameOf(environment), '').catch(() => undefined);
  }

  async close(): Promise<void> {
    this.watching?.close();
    this.publisher?.disconnect();
    await this.listener?.close();
    await this.pool?.end();
  }
}
