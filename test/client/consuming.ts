/** A service that consumes: its database, its topics and groups on the broker of the run. */
import { randomBytes } from 'node:crypto';
import type { Kafka, Message as KafkaRecord, Producer } from 'kafkajs';
import pg from 'pg';
import { consume, installInbox } from '../../src/client/kafka/index.js';
import type { ConsumerOptions, Consumption, Handler } from '../../src/client/kafka/index.js';
import { clientOf, createTopic } from '../support/kafka.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { until } from './until.js';

export interface Effect {
  readonly key: string | null;
  readonly payload: unknown;
}

/** Quick pauses, so that a test ends soon. */
const RETRY = { attempts: 3, baseMs: 20, capMs: 50 };

export class ConsumingService {
  /** What the consumers said. */
  readonly said: string[] = [];
  private readonly running: Consumption[] = [];

  private constructor(
    readonly brokers: string,
    readonly kafka: Kafka,
    readonly database: TestDatabase,
    readonly pool: pg.Pool,
    private readonly producer: Producer,
  ) {}

  static async start(brokers: string): Promise<ConsumingService> {
    const kafka = clientOf(brokers);
    const database = await createDatabase();
    const pool = new pg.Pool({ connectionString: database.url, max: 20 }).on('error', () => undefined);
    const client = await pool.connect();
    await installInbox(client);
    client.release();
    await pool.query('CREATE TABLE effect (n bigint GENERATED ALWAYS AS IDENTITY, key text, payload json)');
    const producer = kafka.producer({ idempotent: true, allowAutoTopicCreation: false });
    await producer.connect();
    return new ConsumingService(brokers, kafka, database, pool, producer);
  }

  async close(): Promise<void> {
    await Promise.all(this.running.map((consumption) => consumption.stop()));
    await this.producer.disconnect();
    await this.pool.end();
    await this.database.drop();
  }

  topic(partitions = 1): Promise<string> {
    return createTopic(this.brokers, { partitions });
  }

  /** One call at a time: it is idempotent, for a repeat would be another message. */
  async send(topic: string, ...messages: KafkaRecord[]): Promise<void> {
    await this.producer.send({ topic, messages });
  }

  /** By default its effect is a row. */
  consume(
    topic: string,
    options: Partial<Omit<ConsumerOptions, 'kafka'>> & { handler?: Handler<unknown, pg.PoolClient> } = {},
  ): Consumption & { groupId: string } {
    const { groupId = groupIdOf(), handler = takeEffect, ...rest } = options;
    const say = (message: string): void => void this.said.push(message);
    const logger = { warn: say, error: say };
    const { kafka, pool } = this;
    const consumption = consume({ kafka, pool, groupId, topics: [topic], handler, retry: RETRY, logger, ...rest });
    this.running.push(consumption);
    return { ...consumption, groupId };
  }

  /** In the order in which they were made. */
  async effects(): Promise<Effect[]> {
    return (await this.pool.query<Effect>('SELECT key, payload FROM effect ORDER BY n')).rows;
  }

  /** Waits for as many. */
  async effectsOf(count: number): Promise<Effect[]> {
    await until(`there are ${count} effects`, async () => (await this.effects()).length >= count);
    return this.effects();
  }

  async clear(): Promise<void> {
    await this.pool.query('TRUNCATE effect');
    this.said.length = 0;
  }
}

export async function takeEffect({
  key,
  payload,
  manager,
}: Parameters<Handler<unknown, pg.PoolClient>>[0]): Promise<void> {
  await manager.query('INSERT INTO effect (key, payload) VALUES ($1, $2)', [key, JSON.stringify(payload)]);
}

export function groupIdOf(): string {
  return `group-${randomBytes(4).toString('hex')}`;
}

/** The group has committed everything. */
export async function caughtUp(consumption: Consumption): Promise<void> {
  await until('the group has caught up', async () => {
    // A group's first member waits until the broker is ready for groups, and so does who asks for it.
    const lag = await consumption.lag().catch(() => null);
    return lag?.every(({ messages }) => messages === 0) ?? false;
  });
}
