/** The relay of a service's own outbox, over its own Kafka client. */
import type { Kafka } from 'kafkajs';
import { Lane } from '../../outbox/lane.js';
import { Relay } from '../../outbox/relay.js';
import type { RelayOptions } from '../../outbox/relay.js';

export interface OutboxRelayOptions extends Omit<RelayOptions, 'producer' | 'clock'> {
  /** Yours: brokers, TLS and SASL are its business. */
  kafka: Kafka;
}

const LEASE_MS = 10_000;
/** A send must have failed before others may take over. */
const DEADLINE_PER_LEASE = 0.8;

/**
 * Sends what is appended to the outbox, until it is stopped; any number of them share the work, one in each instance of the
 * service for example. Call `wake()` after a commit where a quarter of a second is too long.
 *
 * @throws Error when the tables are not there; a database or a broker that is away is no reason, `status` says it
 */
export async function startRelay({ kafka, leaseMs = LEASE_MS, ...options }: OutboxRelayOptions): Promise<Relay> {
  const deadlineMs = Math.floor(leaseMs * DEADLINE_PER_LEASE);
  const relay = new Relay({ ...options, leaseMs, producer: () => new Lane(kafka, deadlineMs) });
  await relay.start();
  return relay;
}
