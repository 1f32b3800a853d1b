/**
 * Embedded PostgreSQL: a real server from npm over a folder of ours.
 *
 * Several processes may use one folder. Each holds a shared advisory lock in the server for as long as it lives;
 * whoever stops and finds that nobody else holds it stops the server. A server left over by a killed process is
 * found by its pid file and used further.
 */
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from '../engine/ports.js';
import { unusable } from './embedded-binaries.js';
import { EmbeddedCluster } from './embedded-cluster.js';

/** A server that has to recover after a crash takes its time. */
const START_MS = 60_000;
/** A server of ours that runs and does not answer for so long is stopped. */
const SILENT_MS = 5000;
const CONNECT_MS = 2000;
const POLL_MS = 50;
const REVIVE_MS = 500;
const PORT_ATTEMPTS = 3;
const USERS_LOCK = 8372;
const CANNOT_CONNECT_NOW = '57P03';

/**
 * @param folder where the data is kept; made when it is missing
 * @param settings of postgresql.conf, for instance `{ fsync: 'off' }` in tests
 * @throws TercetError TERCET_NOT_READY, saying what stands in the way
 */
export async function startEmbedded(
  folder: string,
  logger: Logger,
  settings: Readonly<Record<string, string>> = {},
): Promise<EmbeddedPostgres> {
  const embedded = new EmbeddedPostgres(await EmbeddedCluster.open(folder), logger, settings);
  await embedded.start();
  return embedded;
}

export class EmbeddedPostgres {
  private password = '';
  private port = 0;
  /** Holds the lock that says that this process uses the server. */
  private holder: pg.Client | null = null;
  private isStopping = false;
  private reviving: Promise<void> = Promise.resolve();

  constructor(
    private readonly cluster: EmbeddedCluster,
    private readonly logger: Logger,
    private readonly settings: Readonly<Record<string, string>>,
  ) {}

  /** Of the database `tercet`, with every right on the server. */
  get url(): string {
    return this.urlOf('tercet');
  }

  /** What is wrong with it; nothing when it runs. */
  problems(): string[] {
    const isDown = this.holder === null && !this.isStopping;
    return isDown ? ['embedded server: PostgreSQL died and is started again'] : [];
  }

  /** `startEmbedded` calls it. */
  async start(): Promise<void> {
    const identity = await this.cluster.initialise();
    this.password = identity.password;
    for (let attempt = 1; ; attempt += 1) {
      const isLast = attempt >= PORT_ATTEMPTS;
      const port = (await isFree(identity.port)) ? identity.port : await freePort();
      if (await this.up(port, isLast)) break;
    }
    if (identity.port !== this.port) await this.cluster.rememberPort(identity, this.port);
    await this.createDatabase();
  }

  /** Stops the server unless another process uses it too. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.reviving;
    const holder = this.holder;
    this.holder = null;
    if (!holder) return;
    try {
      await holder.query('SELECT pg_advisory_unlock_shared($1)', [USERS_LOCK]);
      const { rows } = await holder.query<{ alone: boolean }>('SELECT pg_try_advisory_lock($1) AS alone', [USERS_LOCK]);
      const server = await this.cluster.running();
      // The lock is held until the server is gone: whoever comes now waits for it and then starts a new one.
      if (rows[0]?.alone && server) await this.cluster.stop(server.pid);
    } catch (error) {
      // It is going down without us, or somebody else starts it again.
      this.logger.warn({ error: String(error) }, 'the embedded PostgreSQL was gone before it was stopped');
    } finally {
      await holder.end().catch(() => undefined);
    }
  }

  /** Uses the server that runs, or starts one. False: it ended at once, for instance because the port was taken. */
  private async up(port: number, isLast: boolean): Promise<boolean> {
    const found = await this.cluster.running();
    if (found && (await this.join(found.pid, found.port, SILENT_MS))) {
      this.logger.info({ pid: found.pid, port: found.port }, 'using the embedded PostgreSQL that runs already');
      return true;
    }
    if (found && (await this.cluster.running())?.pid === found.pid) {
      this.logger.warn({ pid: found.pid }, 'the embedded PostgreSQL left running does not answer; stopping it');
      await this.cluster.stop(found.pid);
    }
    const pid = await this.cluster.start(port, this.settings);
    if (await this.join(pid, port, START_MS)) {
      this.logger.info({ pid, port }, 'embedded PostgreSQL is up');
      return true;
    }
    // Perhaps somebody else was faster: then the next round finds theirs.
    if (!isLast || (await this.cluster.running())) return false;
    throw unusable(
      `the embedded PostgreSQL does not start; ${this.cluster.logFile} ends: ${await this.cluster.logTail()}`,
    );
  }

  /**
   * Connects and says that this process uses the server. False when the server ends first, or says nothing for
   * `silentMs`; one that says that it is starting or stopping is waited for.
   */
  private async join(pid: number, port: number, silentMs: number): Promise<boolean> {
    const until = performance.now() + START_MS;
    let heardAt = performance.now();
    this.port = port;
    while (performance.now() < Math.min(until, heardAt + silentMs) && (await this.cluster.isOurs(pid))) {
      const client = new pg.Client({
        connectionString: this.urlOf('postgres'),
        connectionTimeoutMillis: CONNECT_MS,
        application_name: 'tercet-embedded',
        keepAlive: true,
      });
      client.on('error', () => undefined);
      try {
        await client.connect();
        await client.query('SELECT pg_advisory_lock_shared($1)', [USERS_LOCK]);
        client.once('end', () => this.lost(client));
        this.holder = client;
        return true;
      } catch (error) {
        await client.end().catch(() => undefined);
        if ((error as { code?: string }).code === CANNOT_CONNECT_NOW) heardAt = performance.now();
        await sleep(POLL_MS);
      }
    }
    return false;
  }

  /** The server died under us: start it again on the same port, which others know. */
  private lost(client: pg.Client): void {
    if (this.isStopping || this.holder !== client) return;
    this.holder = null;
    this.logger.warn({}, 'the embedded PostgreSQL is gone; starting it again');
    this.reviving = this.revive(this.port).catch((error: unknown) => {
      this.logger.error({ error: String(error) }, 'the embedded PostgreSQL could not be started again');
    });
  }

  private async revive(port: number): Promise<void> {
    while (!this.isStopping && !(await this.up(port, false))) await sleep(REVIVE_MS);
  }

  private async createDatabase(): Promise<void> {
    await this.holder
      ?.query("CREATE DATABASE tercet TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
      .catch((error: unknown) => {
        // duplicate_database, or the unique violation of somebody who makes it at the same moment
        const { code } = error as { code?: string };
        if (code !== '42P04' && code !== '23505') throw error;
      });
  }

  private urlOf(database: string): string {
    return `postgres://tercet:${this.password}@127.0.0.1:${this.port}/${database}`;
  }
}

async function isFree(port: number): Promise<boolean> {
  return port > 0 && (await listenOn(port)) !== null;
}

async function freePort(): Promise<number> {
  const port = await listenOn(0);
  if (port === null) throw unusable('no port of 127.0.0.1 is free for the embedded PostgreSQL');
  return port;
}

function listenOn(port: number): Promise<number | null> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(null));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : null));
    });
  });
}
