/**
 * Sends what stands in an outbox to Kafka: each message at least once, and those of one topic and key in the order of
 * their ids. Any number of relays share the work of one outbox, over leases on its buckets.
 */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { Bell } from './bell.js';
import type { Blocked } from './blocks.js';
import { Drain } from './drain.js';
import { Leases, OutboxUnfit } from './leases.js';
import { SYSTEM_CLOCK } from '../platform/surroundings.js';
import type { Clock, Logger } from '../platform/surroundings.js';
import type { Producer } from './producer.js';
import { OUTBOX_PREFIX, tablesOf } from './schema.js';
import { Session } from './session.js';
import type { Policy, Tally, Tuning } from './shipping.js';
import { depthStatement, laneStatements } from './statements.js';
import { Patience } from './trouble.js';
import type { Trouble } from './trouble.js';

/** Brokers take 1 MB by default. */
const BATCH = { rows: 500, bytes: 900_000 };
/** While the buckets are not where they belong, the lease is looked at more often. */
const ROUNDS_PER_LEASE = { settled: 3, unsettled: 10 };
const SILENT: Logger = { info() {}, warn() {}, error() {} };
/** The table, the column or the right is missing: SQLSTATE. */
const MISPLACED = ['42P01', '42703', '42501', '3F000'];

export interface RelayOptions {
  /** Of the database with the outbox. The relay keeps one connection, one more for each lane, and one for `depth`. */
  readonly pool: Pool;
  /** Makes what sends the messages of one lane; called once for each. */
  readonly producer: (lane: number) => Producer;
  /** Begins the names of the tables; default `tercet_outbox`. */
  readonly prefix?: string;
  /** Batches that may be at the broker at once; default 1. More are worth it where the broker is far away. */
  readonly lanes?: number;
  /** Others take over after this long without a word, ms; default 10000. Longer than a batch may take to be sent. */
  readonly leaseMs?: number;
  /** What to do with a message that the broker refuses for good; default `block`. */
  readonly policy?: Policy;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** How a relay is, at this moment. */
export interface RelayStatus {
  readonly id: string;
  readonly tally: Readonly<Tally>;
  /** Those that it sends the messages of. */
  readonly buckets: readonly number[];
  /** What waits because the broker does not take it. */
  readonly blocked: readonly Blocked[];
  readonly broker: Trouble | null;
  readonly database: Trouble | null;
}

export interface OutboxDepth {
  /** Messages that are not sent yet, or just being sent; 100000 stands for that many or more. */
  readonly rows: number;
  /** Dead ones, counted likewise. */
  readonly dead: number;
  /** How long the oldest waits, ms; null: there is none. */
  readonly oldestMs: number | null;
}

export class Relay {
  readonly id = randomUUID();
  private readonly tally: Tally = { sent: 0, batches: 0, failures: 0, dead: 0 };
  private tuning: Tuning;
  private readonly leases: Leases;
  private readonly drains: readonly Drain[];
  private readonly sessions: readonly Session[];
  private readonly control: Session;
  /** Apart from what renews the lease: to count takes long where much waits. */
  private readonly counting: Session;
  private readonly leaseMs: number;
  private readonly logger: Logger;
  private readonly bell: Bell;
  private readonly depthStatement;
  private readonly lease: Patience;
  private running: Promise<unknown> | null = null;
  private isStopping = false;

  constructor(options: RelayOptions) {
    const { pool, producer, lanes = 1, leaseMs = 10_000, policy = 'block' } = options;
    const { prefix = OUTBOX_PREFIX, logger = SILENT, clock = SYSTEM_CLOCK } = options;
    const tables = tablesOf(prefix);
    const open = (): Session => new Session(pool, Math.floor(leaseMs / 2));
    this.tuning = { policy, ...BATCH };
    this.leaseMs = leaseMs;
    this.logger = logger;
    this.bell = new Bell(clock);
    this.lease = new Patience(clock, { first: 0, cap: 0 });
    this.control = open();
    this.counting = open();
    this.depthStatement = depthStatement(tables);
    const leases = new Leases({ session: this.control, tables, id: this.id, leaseMs, clock });
    this.leases = leases;
    const statements = laneStatements(tables);
    const tuning = (): Tuning => this.tuning;
    const parts = { tuning, statements, leases, relay: this.id, lanes, tally: this.tally, clock, logger };
    const sessions = Array.from({ length: lanes }, open);
    this.sessions = [this.control, this.counting, ...sessions];
    this.drains = sessions.map((session, lane) => new Drain({ ...parts, session, lane, producer: producer(lane) }));
  }

  /**
   * Begins, and goes on until `stop`, whatever happens to the database or the broker.
   *
   * @throws Error when the tables are not there, or may not be used; a database that is away is no reason
   */
  async start(): Promise<void> {
    try {
      await this.round();
    } catch (error) {
      if (error instanceof OutboxUnfit || MISPLACED.includes((error as { code?: string }).code ?? '')) {
        await this.control.close();
        const advice = 'run the migration of the outbox or installOutbox, and give this user the use of its tables';
        throw new Error(`the outbox cannot be used (${(error as Error).message}): ${advice}`, { cause: error });
      }
      this.failed(error);
    }
    this.running = Promise.all([this.beat(), ...this.drains.map((drain) => drain.run())]);
  }

  /** Messages were committed; without a word they are found within a quarter of a second for each lane. */
  wake(): void {
    for (const drain of this.drains) drain.wake();
  }

  /** From the next batch on. */
  tune(tuning: Tuning): void {
    this.tuning = tuning;
  }

  /** Ends the batches that are under way, and gives the buckets back for others to go on at once. Never rejects. */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.bell.ring();
    for (const drain of this.drains) drain.stop();
    if (this.running) {
      await this.running;
      await this.leases.leave().catch((error: unknown) => {
        this.logger.warn({ error: String(error) }, 'the buckets were not given back; the lease runs out by itself');
      });
    }
    await Promise.all(this.sessions.map((session) => session.close()));
  }

  get status(): RelayStatus {
    return {
      id: this.id,
      tally: { ...this.tally },
      buckets: [...this.leases.usable.keys()].sort((a, b) => a - b),
      blocked: this.drains.flatMap(({ shipping }) => shipping.blocks.all),
      broker: first(this.drains.map(({ shipping }) => shipping.broker)),
      database: first([this.lease, ...this.drains.map(({ database }) => database)]),
    };
  }

  /** Rejects when the database cannot be asked. */
  async depth(): Promise<OutboxDepth> {
    const [row] = await this.counting.query<OutboxDepth>(this.depthStatement, []);
    if (!row) throw new Error('the outbox did not say how many messages it has');
    return row;
  }

  /** Renews the lease until it is stopped: what is under way then ends within the lease, or is left. */
  private async beat(): Promise<void> {
    while (!this.isStopping) {
      const { settled, unsettled } = ROUNDS_PER_LEASE;
      await this.bell.wait(this.leaseMs / (this.leases.isSettled && !this.lease.trouble ? settled : unsettled));
      if (!this.isStopping) await this.round().catch((error: unknown) => this.failed(error));
    }
  }

  private async round(): Promise<void> {
    const before = this.leases.usable;
    await this.leases.round((bucket) => this.drains.some((drain) => drain.isInHand(bucket)));
    if (this.lease.worked()) this.logger.info({}, 'the lease is renewed again');
    const { usable } = this.leases;
    if (usable.size === before.size) return;
    this.logger.info({ relay: this.id, buckets: usable.size }, 'this relay has another share of the outbox');
    this.wake();
  }

  private failed(error: unknown): void {
    const trouble = this.lease.failed(error);
    if (trouble) this.logger.warn({ error: trouble.why }, 'the lease on the outbox is not renewed; trying again');
  }
}

const first = (parts: readonly Patience[]): Trouble | null => parts.find(({ trouble }) => trouble)?.trouble ?? null;
