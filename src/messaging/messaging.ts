/** The coordinator's Kafka: its relay, and half messages that come through a topic. */
import pg from 'pg';
import type { Coordinator } from '../engine/coordinator.js';
import type { Clock, Logger } from '../engine/ports.js';
import { Lane } from '../outbox/lane.js';
import { Relay } from '../outbox/relay.js';
import { countBrokers } from './cluster.js';
import { HalfMessages } from './half-messages.js';
import { kafkaClient } from './kafka.js';
import type { KafkaSettings } from './kafka-settings.js';

const CONNECT_TIMEOUT_MS = 3000;
const KEEP_ALIVE_MS = 10_000;
/** One for the lease, one for the lane. */
const CONNECTIONS = 2;

export interface MessagingParts {
  /** Of the database of the log. */
  readonly url: string;
  /** Begins the names of its outbox's tables. */
  readonly prefix: string;
  readonly kafka: KafkaSettings;
  readonly logger: Logger;
}

export interface Messaging {
  readonly relay: Relay;
  /** How many Kafka has; asked apart from what is being sent. Rejects with what went wrong. */
  countBrokers(): Promise<number>;
  /** Takes half messages from the topic, once it is started. */
  halfMessages(topic: string, coordinator: Coordinator, clock: Clock): HalfMessages;
  /** Ends the batch that is under way, and lets other nodes go on. */
  stop(): Promise<void>;
}

/** @throws Error when the tables are not there, or may not be used; a broker or a database that is away is no reason */
export async function startMessaging({ url, prefix, kafka, logger }: MessagingParts): Promise<Messaging> {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'tercet relay',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    max: CONNECTIONS,
  });
  pool.on('error', (error) => logger.warn({ error: error.message }, 'an idle database connection broke'));
  const client = kafkaClient(kafka, logger);
  const relay = new Relay({ pool, producer: () => new Lane(client), prefix, logger });
  const stop = async (): Promise<void> => {
    await relay.stop();
    await pool.end();
  };
  await relay.start().catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  const halfMessages: Messaging['halfMessages'] = (topic, coordinator, clock) =>
    new HalfMessages({ kafka: client, topic, coordinator, producer: new Lane(client), clock, logger });
  return { relay, countBrokers: () => countBrokers(client), halfMessages, stop };
}
