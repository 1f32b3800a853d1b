/**
 * Orders on their way: a service that places them, two coordinators with a relay each, a broker, two consumers. And what
 * each of their databases says in the end.
 */
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { COORDINATOR } from '../../examples/scenarios/shop.js';
import { freePort, Service } from '../../examples/scenarios/processes.js';
import { installFence, TercetClient } from '../../src/client/index.js';
import { installInbox } from '../../src/client/kafka/index.js';
import { bucketOf } from '../../src/outbox/message.js';
import { until } from '../client/until.js';
import { createTopic } from '../support/kafka.js';
import type { Broker } from '../support/kafka.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';

/** Of the coordinators' transactions; that of their relays is 10 s. */
export const LEASE_MS = 2000;
/** In few buckets, so that messages of several keys meet. */
const KEYS = Array.from({ length: 200 }, (_, n) => `key-${n}`)
  .filter((key) => bucketOf({ key, id: '' }) < 4)
  .slice(0, 10);
const HOT_KEYS = 2;
const CHECK = { afterMs: 1000, intervalMs: 300 };
/** For a broker that comes back, members of the group that are missed and leases that run out, one after the other. */
const QUIET_MS = 120_000;

/** A table of the orders that were placed, one of the effects, and, in the order of the decisions, what was queued. */
const PLACED = `CREATE TABLE purchase (
  gid text PRIMARY KEY, key text NOT NULL, run bigint NOT NULL, n int NOT NULL, is_acknowledged boolean NOT NULL DEFAULT false)`;
const EFFECTS = `
  CREATE TABLE tally (key text PRIMARY KEY, n int NOT NULL);
  CREATE TABLE effect (key text NOT NULL, n int NOT NULL, gid text NOT NULL)`;
/**
 * Defaults are computed with the snapshot of the statement, which is older than the id of the row: a decision that it
 * shows is recorded before this one, and has the lower id. Some are made to commit after
 * later ones.
 */
const QUEUED = `
  CREATE TABLE queued (gid text NOT NULL, key text NOT NULL, xid xid8 NOT NULL, seen pg_snapshot NOT NULL);
  ALTER TABLE tercet.outbox
    ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    ADD COLUMN seen pg_snapshot NOT NULL DEFAULT pg_current_snapshot();
  CREATE FUNCTION note_queued() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO queued VALUES (NEW.headers::json ->> 'ce_gid', NEW.key, NEW.xid, NEW.seen);
    PERFORM pg_sleep(CASE WHEN random() < 0.1 THEN 0.3 ELSE 0 END);
    RETURN NULL;
  END $$;
  CREATE TRIGGER note_queued AFTER INSERT ON tercet.outbox FOR EACH ROW EXECUTE FUNCTION note_queued();`;
/** Whose decision was certainly recorded before that of another one of its key. */
const BEFORE = `
  SELECT a.gid AS first, b.gid AS second FROM queued a JOIN queued b ON b.key = a.key AND pg_visible_in_snapshot(a.xid, b.seen)`;

/** An order that the service has placed: its local transaction has committed. */
export interface Placed {
  readonly gid: string;
  readonly key: string;
  /** The service was told that the commit is recorded before it placed the next one of the key. */
  readonly isAcknowledged: boolean;
}

/** Two of one key. */
export interface Pair {
  readonly first: string;
  readonly second: string;
}

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

interface Parts {
  readonly coordinators: readonly Service[];
  readonly shop: Service;
  readonly consumers: readonly Service[];
}

export class Orders {
  private constructor(
    readonly services: Parts,
    private readonly databases: readonly TestDatabase[],
    private readonly pools: { readonly log: pg.Pool; readonly placed: pg.Pool; readonly effects: pg.Pool },
  ) {}

  /** All of it runs when this comes back. */
  static async start(broker: Broker): Promise<Orders> {
    const databases = [await createDatabase(), await createDatabase(), await createDatabase()];
    const [log, placed, effects] = databases.map(({ url }) => new pg.Pool({ connectionString: url }));
    const pools = { log: log!, placed: placed!, effects: effects! };
    await install(pools.placed, PLACED, installFence);
    await install(pools.effects, EFFECTS, installInbox);
    const services = await servicesOf(broker.address, databases);
    const orders = new Orders(services, databases, pools);
    try {
      await orders.start();
    } catch (error) {
      await orders.close();
      throw error;
    }
    return orders;
  }

  /** No more orders, and what was placed has had its effect; nothing is under way any more. */
  async quiet(): Promise<void> {
    await fetch(`${this.services.shop.url}/enough`, { method: 'POST' });
    const isEmpty = async (table: string): Promise<boolean> =>
      (await this.pools.log.query(`TABLE ${table}`)).rowCount === 0;
    await until('every transaction has ended', async () => (await this.unfinished()).length === 0, QUIET_MS);
    await until('the outbox is empty', () => isEmpty('tercet.outbox'), QUIET_MS);
    await until('the consumers are through', async () => (await this.ahead()) === 0, QUIET_MS);
  }

  /** In the order in which they were placed within their key. */
  async placed(): Promise<Placed[]> {
    const { rows } = await this.pools.placed.query<Placed>(
      'SELECT gid, key, is_acknowledged AS "isAcknowledged" FROM purchase ORDER BY key, run, n',
    );
    return rows;
  }

  /** In the order in which they were made within their key: whose they are. */
  async effects(): Promise<string[]> {
    const { rows } = await this.pools.effects.query<{ gid: string }>('SELECT gid FROM effect ORDER BY key, n');
    return rows.map(({ gid }) => gid);
  }

  async decidedInOrder(): Promise<Pair[]> {
    return (await this.pools.log.query<Pair>(BEFORE)).rows;
  }

  async close(): Promise<void> {
    const { coordinators, shop, consumers } = this.services;
    await Promise.all([...coordinators, shop, ...consumers].map((service) => service.signal('SIGKILL')));
    await Promise.all(Object.values(this.pools).map((pool) => pool.end()));
    for (const database of this.databases) await database.drop();
  }

  private get client(): TercetClient {
    return new TercetClient({ url: this.services.coordinators[0]!.url });
  }

  private async start(): Promise<void> {
    const { coordinators, shop, consumers } = this.services;
    await Promise.all(coordinators.map((service) => service.start()));
    await this.pools.log.query(QUEUED);
    const [, port] = shop.program.args!;
    await this.client.putComponent('order', { url: `http://127.0.0.1:${port}`, timeoutMs: 1000, check: CHECK });
    await Promise.all([shop, ...consumers].map((service) => service.start()));
  }

  private async unfinished(): Promise<unknown[]> {
    return (await this.client.list({ unfinished: true })).transactions;
  }

  /** Messages that the group has not taken yet, or not said so. */
  private async ahead(): Promise<number> {
    const response = await fetch(this.services.consumers[0]!.url);
    return response.ok ? Number(await response.text()) : NaN;
  }
}

async function install(pool: pg.Pool, tables: string, own: (client: pg.PoolClient) => Promise<void>): Promise<void> {
  const client = await pool.connect();
  await own(client);
  await client.query(tables);
  client.release();
}

async function servicesOf(broker: string, databases: readonly TestDatabase[]): Promise<Parts> {
  const [log, placed, effects] = databases.map(({ url }) => url);
  const topic = await createTopic(broker, { partitions: 4 });
  // Each keeps its port, as behind a name in a cluster.
  const ports = [await freePort(), await freePort(), await freePort()];
  const coordinators = ports.slice(1).map((port, n) => {
    const name = `coordinator-${n}`;
    const own = { TERCET_NODE: name, TERCET_LISTEN: `127.0.0.1:${port}`, TERCET_LEASE_MS: String(LEASE_MS) };
    const env = { DATABASE_URL: log!, KAFKA_BROKERS: broker, TERCET_LOG_LEVEL: 'warn', ...own };
    return new Service({ name, ...COORDINATOR, env });
  });
  const urls = ports.slice(1).map((port) => `http://127.0.0.1:${port}`);
  const parts = {
    database: placed,
    coordinators: urls,
    topic,
    keys: KEYS,
    hotKeys: HOT_KEYS,
    slowMs: 2 * CHECK.afterMs,
  };
  const args = [JSON.stringify(parts), String(ports[0])];
  const shop = new Service({ name: 'order service', script: script('order-service.js'), args, env: {} });
  const consumers = ['north', 'south'].map((name) => {
    const args = [JSON.stringify({ broker, database: effects, topic, groupId: 'shipping' })];
    return new Service({ name: `consumer ${name}`, script: script('shipping-service.js'), args, env: {} });
  });
  return { coordinators, shop, consumers };
}
