/** The client of Kafka, and what of its chatter is worth a line in the log. */
import { Kafka, logLevel } from 'kafkajs';
import type { KafkaConfig, LogEntry } from 'kafkajs';
import type { Logger } from '../engine/ports.js';
import type { KafkaSettings } from './kafka-settings.js';

/** Well below a lane's deadline: a request that times out is repeated by the same producer, which repeats no message. */
const REQUEST_MS = 3000;
const CONNECT_MS = 3000;
const RETRY = { retries: 2, initialRetryTime: 100, maxRetryTime: 1000, multiplier: 2, factor: 0.2 };
const QUIET_MS = 30_000;
const MAX_REMEMBERED = 200;
/** It holds for a producer that goes on after a failure; a lane does not. */
const UNTRUE = 'Limiting retries for the idempotent producer';

export function kafkaClient({ brokers, ssl, sasl }: KafkaSettings, logger: Logger): Kafka {
  return new Kafka({
    clientId: 'tercet',
    brokers: [...brokers],
    ssl,
    ...(sasl === null ? {} : { sasl: sasl as NonNullable<KafkaConfig['sasl']> }),
    connectionTimeout: CONNECT_MS,
    authenticationTimeout: CONNECT_MS,
    requestTimeout: REQUEST_MS,
    retry: RETRY,
    logLevel: logLevel.WARN,
    logCreator: () => logTo(logger),
  });
}

/**
 * What kafkajs calls an error it mostly tries again itself, and says so each time: a warning, and the same one once in
 * half a minute.
 */
export function logTo(logger: Logger, now: () => number = () => performance.now()): (entry: LogEntry) => void {
  const said = new Map<string, { readonly at: number; repeats: number }>();
  return ({ namespace, log: { message, logger: _own, timestamp: _at, stack: _stack, ...fields } }) => {
    if (message.startsWith(UNTRUE)) return;
    const known = said.get(message);
    if (known !== undefined && now() - known.at < QUIET_MS) {
      known.repeats += 1;
      return;
    }
    if (said.size >= MAX_REMEMBERED) said.clear();
    said.set(message, { at: now(), repeats: 0 });
    const repeats = known !== undefined && known.repeats > 0 ? { repeats: known.repeats } : {};
    logger.warn({ ...fields, part: namespace, ...repeats }, `Kafka client: ${message}`);
  };
}
