/** The coordinator's own relay: what stands in its outbox goes to Kafka. */
import pg from 'pg';
import type { Logger } from '../engine/ports.js';
import { Lane } from '../outbox/lane.js';
import { Relay } from '../outbox/relay.js';
import type { Policy } from '../outbox/shipping.js';
import { kafkaClient } from './kafka.js';
import type { KafkaSettings } from './kafka-settings.js';

/** Begins the names of the tables that migration 0006 makes. */
const PREFIX = 'tercet.outbox';
const CONNECT_TIMEOUT_MS = 3000;
const KEEP_ALIVE_MS = 10_000;
/** One for the lease, one for the lane. */
const CONNECTIONS = 2;

export interface OutboxRelayParts {
  /** Of the database of the log. */
  readonly url: string;
  readonly kafka: KafkaSettings;
  readonly policy: Policy;
  readonly logger: Logger;
}

export interface OutboxRelay {
  readonly relay: Relay;
  /** Ends the batch that is under way, and lets other nodes go on. */
  stop(): Promise<void>;
}

/** @throws Error when the tables are not there, or may not be used; a broker or a database that is away is no reason */
export async function startOutboxRelay({ url, kafka, policy, logger }: OutboxRelayParts): Promise<OutboxRelay> {
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
  const relay = new Relay({ pool, producer: () => new Lane(client), prefix: PREFIX, policy, logger });
  const stop = async (): Promise<void> => {
    await relay.stop();
    await pool.end();
  };
  await relay.start().catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return { relay, stop };
}
