/** The whole shop on this machine: PostgreSQL, the coordinator and four services, each a process of its own. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TercetClient } from '@tercet/client';
import { createDatabase, onServer, runAll, temporaryServer } from './databases.js';
import type { CleanUp } from './databases.js';
import { Gate } from './gate.js';
import { makeTopic } from './kafka.js';
import type { KafkaOfShop } from './kafka.js';
import { freePort, Service } from './processes.js';

/** This file runs as dist/examples/scenarios/shop.js, and from the tests as examples/scenarios/shop.ts. */
const isCompiled = import.meta.url.endsWith('.js');
const root = join(dirname(fileURLToPath(import.meta.url)), isCompiled ? '../../..' : '../..');
/** `tercet serve`. */
export const COORDINATOR = { script: join(root, 'bin/tercet.js'), args: ['serve'] };

/** For an order to be answered, whatever is killed and started again meanwhile, on a machine however slow. */
const ORDER_MS = 180_000;

/** Those that take part in placing an order. */
export const SERVICES = ['order', 'account', 'inventory'] as const;
export type ServiceName = (typeof SERVICES)[number];
const ALL = [...SERVICES, 'points'] as const;

export interface Account {
  readonly id: string;
  readonly balance: number;
  readonly held: number;
}

export interface Item {
  readonly sku: string;
  readonly stock: number;
  readonly reserved: number;
  readonly price: number;
}

export interface Order {
  readonly orderId: string;
  readonly state: string;
  readonly reason?: string | null;
}

/** As the order service has written it down. */
export interface PlacedOrder extends Order {
  readonly customer: string;
  readonly sku: string;
  readonly quantity: number;
  readonly total: number;
  readonly shipTo: string | null;
  readonly isPaid: boolean;
}

export interface Shipment {
  readonly orderId: string;
  readonly city: string;
  readonly receipt: string;
}

export interface ShopOptions {
  /** A server to make the databases on; without it an embedded one is started and thrown away. */
  readonly databaseUrl?: string;
  /** `host:port` of a Kafka that is there; without it nothing goes to a topic. */
  readonly kafkaBrokers?: string;
  /** Of the coordinator. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Of a database for the coordinator's log, made already; without it one is made beside the others. */
  readonly logUrl?: string;
}

export class Shop {
  readonly services = {} as Record<(typeof ALL)[number], Service>;
  private readonly others: Service[] = [];

  private constructor(
    readonly gate: Gate,
    /** The first one. */
    readonly coordinator: Service,
    /** Finds whichever coordinator runs. */
    readonly client: TercetClient,
    /** Null: there is none. */
    readonly kafka: KafkaOfShop | null,
    private readonly cleanUps: CleanUp[],
  ) {}

  /** The coordinators have one address, as behind a balancer: this one is there now. */
  get running(): Service {
    return [this.coordinator, ...this.others].find(({ isRunning }) => isRunning) ?? this.coordinator;
  }

  static async open(options: ShopOptions = {}): Promise<Shop> {
    const cleanUps: CleanUp[] = [];
    try {
      return await Shop.build(options, cleanUps);
    } catch (error) {
      await runAll(cleanUps);
      throw error;
    }
  }

  private static async build({ databaseUrl, settings, ...options }: ShopOptions, cleanUps: CleanUp[]): Promise<Shop> {
    const serverUrl = databaseUrl ?? (await temporaryServer(cleanUps));
    const suffix = Math.random().toString(36).slice(2, 8);
    const database = async (name: string): Promise<string> => {
      const url = await createDatabase(serverUrl, `shop_${name}_${suffix}`);
      // The temporary server goes as a whole.
      if (databaseUrl) cleanUps.push(() => onServer(serverUrl, `DROP DATABASE shop_${name}_${suffix} WITH (FORCE)`));
      return url;
    };
    const gate = new Gate();
    await gate.open();
    cleanUps.push(() => gate.close());
    const tercetUrl: string = gate.urlFor('tercet', () => shop.running.url);
    const logUrl = options.logUrl ?? (await database('tercet'));
    const kafka = options.kafkaBrokers ? { brokers: options.kafkaBrokers, topic: `order-paid-${suffix}` } : null;
    if (kafka) cleanUps.push(await makeTopic(kafka));
    const kafkaEnv = {
      KAFKA_BROKERS: kafka?.brokers ?? '',
      PAID_TOPIC: kafka?.topic ?? '',
      KAFKA_GROUP: kafka?.topic ?? '',
    };
    const listen = `127.0.0.1:${await freePort()}`;
    const env = { DATABASE_URL: logUrl, TERCET_LISTEN: listen, KAFKA_BROKERS: kafkaEnv.KAFKA_BROKERS, ...settings };
    const coordinator = new Service({ name: 'coordinator', ...COORDINATOR, env });
    const shop: Shop = new Shop(gate, coordinator, new TercetClient({ url: tercetUrl }), kafka, cleanUps);
    // Each keeps its port after a restart, as behind a name in a cluster.
    const ports = {} as Record<(typeof ALL)[number], number>;
    for (const name of ALL) ports[name] = await freePort();
    for (const name of ALL) {
      const publicUrl = gate.urlFor(name, () => shop.services[name].url);
      const script = join(root, `dist/examples/${name}/main.js`);
      const env = {
        PORT: String(ports[name]),
        DATABASE_URL: await database(name),
        TERCET_URL: tercetUrl,
        PUBLIC_URL: publicUrl,
        ...kafkaEnv,
        INVENTORY_URL: `http://127.0.0.1:${ports.inventory}`,
      };
      shop.services[name] = new Service({ name, script, env });
    }
    return shop;
  }

  async start(): Promise<void> {
    await this.coordinator.start();
    await Promise.all(ALL.map((name) => this.services[name].start()));
    const ready = ALL.map((name) => `${this.services[name].url}/tercet/ready`);
    await this.until('every service registers its components', () =>
      Promise.all(ready.map((url) => this.getJson(url))),
    );
  }

  /** A further coordinator like the first, not started yet; it listens on a port of its own. */
  addCoordinator(name: string, settings: Readonly<Record<string, string>> = {}): Service {
    const own = { TERCET_LISTEN: '127.0.0.1:0', TERCET_NODE: name, ...settings };
    const env = { ...this.coordinator.program.env, ...own };
    const coordinator = new Service({ name, ...COORDINATOR, env });
    this.others.push(coordinator);
    return coordinator;
  }

  /** Ends every process and removes what it left. */
  async close(): Promise<void> {
    const all = [...ALL.map((name) => this.services[name]), this.coordinator, ...this.others];
    await Promise.all(all.map((service) => service.signal('SIGCONT')));
    await Promise.all(all.map((service) => service.signal('SIGTERM')));
    await runAll(this.cleanUps);
  }

  async addAccount(id: string, balance: number): Promise<void> {
    await this.postJson(`${this.services.account.url}/accounts`, { id, balance });
  }

  async addItem(sku: string, stock: number, price: number): Promise<void> {
    await this.postJson(`${this.services.inventory.url}/items`, { sku, stock, price });
  }

  /** Places an order; asks again, with the same id, while the answer does not come. */
  async order(
    orderId: string,
    customer: string,
    sku: string,
    quantity: number,
    shipTo: string | null = null,
  ): Promise<Order> {
    const attempt = () =>
      this.postJson<Order>(`${this.services.order.url}/orders`, { orderId, customer, sku, quantity, shipTo });
    return this.until(`order ${orderId} is answered`, attempt, ORDER_MS);
  }

  accounts(): Promise<Account[]> {
    return this.getJson(`${this.services.account.url}/accounts`);
  }

  items(): Promise<Item[]> {
    return this.getJson(`${this.services.inventory.url}/items`);
  }

  shipments(): Promise<Shipment[]> {
    return this.getJson(`${this.services.inventory.url}/shipments`);
  }

  /** @throws Error when it cannot be paid */
  async pay(orderId: string): Promise<void> {
    await this.postJson(`${this.services.order.url}/orders/${orderId}/pay`, {});
  }

  points(): Promise<{ readonly customer: string; readonly points: number }[]> {
    return this.getJson(`${this.services.points.url}/points`);
  }

  mails(): Promise<{ readonly id: string; readonly text: string }[]> {
    return this.getJson(`${this.services.points.url}/mails`);
  }

  orders(): Promise<PlacedOrder[]> {
    return this.getJson(`${this.services.order.url}/orders`);
  }

  /** Repeats `attempt` until it gives something true; what it throws meanwhile is the reason if time runs out. */
  async until<T>(what: string, attempt: () => Promise<T>, limitMs = 60_000): Promise<T> {
    let why: unknown = 'it was not so yet';
    for (const end = Date.now() + limitMs; Date.now() < end;) {
      try {
        const result = await attempt();
        if (result) return result;
      } catch (error) {
        why = error;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`gave up after ${limitMs / 1000} s: ${what}: ${String(why)}`);
  }

  /** Every transaction has ended. */
  async settled(limitMs = 60_000): Promise<void> {
    for (const status of ['open', 'committing', 'aborting'] as const) {
      await this.until(
        `no transaction is ${status}`,
        async () => (await this.client.list({ status, limit: 1 })).transactions.length === 0,
        limitMs,
      );
    }
  }

  private async getJson<T>(url: string): Promise<T> {
    return read<T>(await fetch(url, { signal: AbortSignal.timeout(10_000) }), url);
  }

  private async postJson<T>(url: string, body: unknown): Promise<T> {
    const headers = { 'content-type': 'application/json' };
    const request = { method: 'POST', headers, body: JSON.stringify(body), signal: AbortSignal.timeout(30_000) };
    return read<T>(await fetch(url, request), url);
  }
}

async function read<T>(response: Response, url: string): Promise<T> {
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 300)}`);
  return (text === '' ? null : JSON.parse(text)) as T;
}
