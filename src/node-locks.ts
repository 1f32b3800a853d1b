/** The locks of a node, kept where its settings say; their tokens come from the database, whatever that is. */
import { hostname } from 'node:os';
import pg from 'pg';
import type { Logger } from './engine/ports.js';
import { fenced } from './locks/fenced.js';
import type { LockStore } from './locks/lock.js';
import type { LockDatabase } from './locks/lock-database.js';
import { Locks } from './locks/locks.js';
import type { LockObserver } from './locks/locks.js';
import { PostgresLocks } from './locks/postgres.js';
import { LOCK_TABLE } from './storage/guarded.js';

/** One that listens, and some that ask. */
const CONNECTIONS = 3;
const CONNECT_MS = 3000;
/** Redis is asked so often whether it is there. */
const PROBE_MS = 5000;
const NO_SUCH_LOCK = 'tercet.probe';

export interface NodeLocksSettings {
  readonly url: string;
  readonly node: string;
  readonly locks: 'postgres' | 'redis';
  readonly redisUrls: readonly string[];
}

export interface NodeLocks {
  readonly locks: Locks<'correctness'>;
  /** Where they are kept, for people. */
  readonly place: string;
  /** What goes wrong with Redis at present, without the name of any host. */
  warnings(): string[];
  close(): Promise<void>;
}

export async function startLocks(
  settings: NodeLocksSettings,
  logger: Logger,
  observer: LockObserver,
): Promise<NodeLocks> {
  const { url, node } = settings;
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'tercet lock',
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
  });
  pool.on('error', (error) => logger.warn({ error: error.message }, 'an idle database connection broke'));
  const database: LockDatabase = { pool, table: LOCK_TABLE };
  const isRedis = settings.locks === 'redis';
  const store = isRedis ? await redisStore(settings.redisUrls, database) : new PostgresLocks(database);
  const locks = new Locks(store, { node: `${node}@${hostname()}/${process.pid}`, observer });
  const probe = isRedis ? new Probe(store, logger) : null;
  const { length } = settings.redisUrls;
  const inRedis = length > 1 ? `in ${length} Redis servers` : 'in Redis';
  return {
    locks,
    place: isRedis ? `${inRedis}, their tokens in PostgreSQL` : 'in PostgreSQL',
    warnings: () => probe?.warnings() ?? [],
    close: async () => {
      probe?.stop();
      await locks.close();
      await pool.end();
    },
  };
}

/** Loaded late: most run without. */
async function redisStore(urls: readonly string[], database: LockDatabase): Promise<LockStore<'correctness'>> {
  const { redisOf } = await import('./redis.js');
  const servers = urls.map(redisOf);
  const [first] = servers;
  if (servers.length > 1) return fenced(new (await import('./locks/redlock.js')).Redlock(servers), database);
  if (!first) throw new Error('there is no REDIS_URL');
  return fenced(new (await import('./locks/redis.js')).RedisLocks(first), database);
}

/** Says when Redis goes away and comes back, also while nobody wants a lock. */
class Probe {
  private since: number | null = null;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly store: LockStore,
    private readonly logger: Logger,
  ) {
    this.timer = setInterval(() => void this.look(), PROBE_MS).unref();
    void this.look();
  }

  warnings(): string[] {
    if (this.since === null) return [];
    return [`redis: it has not answered since ${new Date(this.since).toISOString()}; what needs a lock waits`];
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    try {
      await this.store.show(NO_SUCH_LOCK);
      if (this.since !== null) this.logger.info({}, 'the locks in Redis can be had again');
      this.since = null;
    } catch (error) {
      if (this.since === null)
        this.logger.warn({ error: String(error) }, 'the locks in Redis cannot be had; jobs wait');
      this.since ??= Date.now();
    }
  }
}
