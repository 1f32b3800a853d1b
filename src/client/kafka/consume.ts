/** Messages of Kafka take effect once in the consumer's own database, in order for each key. */
import type { Kafka } from 'kafkajs';
import { described } from '../errors.js';
import type { Executor } from '../../platform/executor.js';
import { Batches } from './batches.js';
import type { ConsumerLogger, WaitingMessage } from './batches.js';
import { Budget } from './budget.js';
import type { GivingUp, RetryBudget } from './budget.js';
import { databaseOf } from '../database.js';
import type { DatabaseOption } from '../database.js';
import { beforeDeath, DeadLetters, deadLetterTopicOf } from './dead-letters.js';
import { Handling } from './handling.js';
import type { Handler } from './handling.js';
import { LagReader } from './lag.js';
import type { PartitionLag } from './lag.js';
import { Membership } from './membership.js';
import type { ConsumerState, KafkaConsumerOptions } from './membership.js';

export interface ConsumerOptions {
  /** Yours: brokers, TLS and SASL are its business. */
  kafka: Kafka;
  /** The consumer group; repeats are known within it. */
  groupId: string;
  /** How often and how long a message that fails is tried. */
  retry?: RetryBudget;
  /** What becomes of it then; default `park`. */
  givingUp?: GivingUp;
  /** Name of the dead-letter topic of a topic; default `<topic>.<groupId>.dlq`. It is created where it is missing. */
  deadLetterTopic?: (topic: string) => string;
  /** Works off the dead-letter topics of `topics` instead, in order; what fails there waits, and is never given up. */
  deadLetters?: boolean;
  /** How long one attempt of the handler may take, in ms; default 300000. */
  timeoutMs?: number;
  /** How the value becomes the payload; what it throws gives the message up at once. Default: JSON. */
  parse?: (value: Buffer) => unknown;
  /** Partitions handled side by side, each with one connection to the database; default 4. */
  concurrency?: number;
  /** Where a new group begins: with the oldest message (default) or with what comes from now on. */
  fromBeginning?: boolean;
  /** Further options of the kafkajs consumer, sessionTimeout for instance. */
  consumer?: KafkaConsumerOptions;
  /** Hears of failures; default: the console. */
  logger?: ConsumerLogger;
}

export type ConsumeOptions<Payload, Manager extends Executor> = ConsumerOptions &
  DatabaseOption<Manager> & {
    topics: readonly string[];
    /**
     * Does the work, with `manager`. What it throws rolls back and is tried again; `Refused` gives the message up at once.
     */
    handler: Handler<Payload, Manager>;
  };

export interface ConsumerStatus {
  readonly state: ConsumerState;
  /** Why it is not running; null: it is, or was stopped. */
  readonly problem: string | null;
  /** Messages that failed and will be tried again; their partitions wait behind them. */
  readonly waiting: WaitingMessage[];
}

export interface Consumption {
  readonly status: () => ConsumerStatus;
  /**
   * Of every partition of the topics, whoever consumes it.
   *
   * @throws when the broker does not answer
   */
  readonly lag: () => Promise<PartitionLag[]>;
  /** Fetches no more, lets handlers under way end, commits, and leaves the group. Never rejects. */
  readonly stop: () => Promise<void>;
}

const CONCURRENCY = 4;
const TIMEOUT_MS = 300_000;

/**
 * Joins the group and consumes until it is stopped; while the broker is away it keeps trying, which `status` says.
 *
 * @throws TypeError, RangeError when the options make no sense
 */
export function consume<Payload, Manager extends Executor>(options: ConsumeOptions<Payload, Manager>): Consumption {
  const { kafka, groupId, givingUp = 'park', retry = {}, deadLetters: isReplay = false, logger = console } = options;
  const {
    parse = (value) => JSON.parse(value.toString()) as unknown,
    concurrency = CONCURRENCY,
    timeoutMs = TIMEOUT_MS,
  } = options;
  if (options.topics.length === 0) throw new TypeError('topics: give at least one');
  if (!(Number.isInteger(concurrency) && concurrency > 0))
    throw new RangeError('concurrency must be a whole number from 1');
  if (!(timeoutMs > 0)) throw new RangeError('timeoutMs must be above 0');
  const { deadLetterTopic = (topic: string) => deadLetterTopicOf(topic, groupId) } = options;
  const graves = givingUp === 'block' && !isReplay ? [] : options.topics.map(deadLetterTopic);
  const member = isReplay ? `${groupId}.dlq` : groupId;
  const topics = isReplay ? graves : [...options.topics];
  const budget = new Budget(retry, givingUp);
  const deadLetters = new DeadLetters(kafka);
  const database = databaseOf(options);
  const handling = new Handling({
    groupId,
    database,
    handler: options.handler,
    timeoutMs,
    parse,
    budget,
    givingUp,
    deadLetters,
    deadLetterTopic,
    isReplay,
  });
  const batches = new Batches({
    handle: (found, raw, failures) => handling.handle(isReplay ? beforeDeath(found) : found, raw, failures),
    budget,
    logger,
  });
  const lag = new LagReader(kafka, member, (topic, partition) => batches.lastOf(topic, partition));
  const membership = new Membership({
    kafka,
    groupId: member,
    topics,
    fromBeginning: options.fromBeginning ?? true,
    concurrency,
    consumer: options.consumer ?? {},
    logger,
    onStart: () => createMissing(kafka, graves, logger),
    onBatch: (payload) => batches.take(payload),
    onJoin: (assigned) => batches.keepOnly(assigned),
  });
  return {
    status: () => ({ state: membership.state, problem: membership.problem, waiting: batches.waiting }),
    lag: () => lag.read(topics),
    stop: async () => {
      await membership.stop();
      batches.keepOnly({});
      await Promise.all([deadLetters.close(), lag.close()]);
    },
  };
}

/** Where the service may not create topics, somebody else has. */
async function createMissing(kafka: Kafka, topics: string[], logger: ConsumerLogger): Promise<void> {
  if (topics.length === 0) return;
  const admin = kafka.admin();
  try {
    await admin.connect();
    const there = new Set(await admin.listTopics());
    const missing = topics.filter((topic) => !there.has(topic));
    if (missing.length > 0) await admin.createTopics({ topics: missing.map((topic) => ({ topic })) });
  } catch (error) {
    logger.warn(`the dead-letter topics ${topics.join(', ')} could not be created: ${described(error)}`);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
