/**
 * The way of messages to Kafka: one producer with one batch outstanding. kafkajs loses messages, without an error, as
 * soon as a number that it gave to one batch comes to stand on another: with two sends at a time, after a failed one,
 * and where a repeated one is partitioned anew. Hence three rules here: a second send throws, any failure ends the
 * producer, and a record stays in the partition that was chosen first. A fourth: what no broker has acknowledged was
 * not sent, whatever kafkajs says. It repeats nothing to a broker that has answered, not even what that broker came to
 * lead since, and calls that a success.
 */
import type { Kafka, Message, Producer as KafkaProducer } from 'kafkajs';
import { lastingPartitioner } from './partition.js';
import { RecordsRefused, TopicUnknown } from './producer.js';
import type { OutboxRecord, Producer } from './producer.js';
import { within } from '../platform/within.js';

const DEADLINE_MS = 8000;
/** For what is no send: looking for a topic, and the end. */
const SHORT_MS = 2000;
/** Few, so that a topic that is not there holds up nobody; whoever sends tries again. */
const RETRY = { retries: 2, initialRetryTime: 100, maxRetryTime: 1000, multiplier: 2, factor: 0.2 };
/** Of topics that the broker shows as if all were well. */
const OF_A_TOPIC_SHOWN = ['TOPIC_AUTHORIZATION_FAILED', 'NOT_ENOUGH_REPLICAS', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND'];
const OF_THE_TOPIC = ['UNKNOWN_TOPIC_OR_PARTITION', 'INVALID_TOPIC_EXCEPTION', ...OF_A_TOPIC_SHOWN];
const OF_A_RECORD = ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD', 'INVALID_TIMESTAMP'];

/** One kafkajs producer from its first batch to its first failure. */
interface Session {
  readonly producer: KafkaProducer;
  readonly connected: Promise<void>;
  isOver: boolean;
}

export class Lane implements Producer {
  private session: Session | null = null;
  private isBusy = false;
  private isClosed = false;

  /** A send that takes longer than `deadlineMs` (default 8000) has failed, and nobody knows whether it arrived. */
  constructor(
    private readonly kafka: Kafka,
    private readonly deadlineMs = DEADLINE_MS,
  ) {}

  async send(records: readonly OutboxRecord[]): Promise<void> {
    if (this.isClosed) throw new Error('this lane is closed');
    if (this.isBusy) throw new Error('this lane has a batch under way: await it before the next');
    if (records.length === 0) return;
    const batch = batchOf(records);
    this.isBusy = true;
    const session = (this.session ??= open(this.kafka));
    const work = deliver(session, batch, this.deadlineMs);
    try {
      await inTime(this.deadlineMs, work);
    } catch (error) {
      this.session = null;
      session.isOver = true;
      // Both: what is under way may open a connection after this.
      void quit(session);
      void work.catch(() => undefined).then(() => quit(session));
      throw await this.meaningOf(error, records);
    } finally {
      this.isBusy = false;
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    const { session } = this;
    this.session = null;
    if (session === null) return;
    await inTime(SHORT_MS, quit(session)).catch(() => undefined);
    session.isOver = true;
  }

  private async meaningOf(error: unknown, records: readonly OutboxRecord[]): Promise<unknown> {
    const type = typeOf(error);
    if (OF_A_RECORD.includes(type)) return new RecordsRefused(messageOf(error), { cause: error });
    if (!OF_THE_TOPIC.includes(type)) return error;
    const topics = [...new Set(records.map(({ topic }) => topic))];
    const topic =
      topics.length === 1 ? topics[0] : await inTime(SHORT_MS, missing(this.kafka, topics)).catch(() => undefined);
    if (topic !== undefined) return new TopicUnknown(topic, `${topic}: ${messageOf(error)}`, { cause: error });
    // Whoever halves the batch finds it.
    return OF_A_TOPIC_SHOWN.includes(type) ? new RecordsRefused(messageOf(error), { cause: error }) : error;
  }
}

function open(kafka: Kafka): Session {
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    retry: RETRY,
    createPartitioner: () => {
      const choose = lastingPartitioner();
      return (asked) => {
        // The one place that every attempt passes: nothing leaves after the deadline.
        if (session.isOver) throw Object.assign(new Error('given up'), { retriable: false });
        return choose(asked);
      };
    },
  });
  const session: Session = { producer, connected: producer.connect(), isOver: false };
  // Whoever waits for it sees it as well.
  session.connected.catch(() => undefined);
  return session;
}

async function deliver({ producer, connected }: Session, topicMessages: Batch, timeout: number): Promise<void> {
  await connected;
  const acknowledged = await producer.sendBatch({ acks: -1, timeout, topicMessages });
  const places = new Set(acknowledged.map(({ topicName, partition }) => `${topicName} ${partition}`));
  for (const { topic, messages } of topicMessages) {
    const lost = messages.find(({ partition }) => !places.has(`${topic} ${partition}`));
    if (lost) throw new Error(`no broker acknowledged what went to partition ${lost.partition} of ${topic}`);
  }
}

type Batch = { topic: string; messages: Message[] }[];

function batchOf(records: readonly OutboxRecord[]): Batch {
  const topics = new Map<string, Message[]>();
  for (const { topic, key, payload, headers } of records) {
    const message: Message = {
      key: key === null ? null : Buffer.from(key),
      value: payload,
      headers: headersOf(headers),
    };
    const messages = topics.get(topic);
    if (messages) messages.push(message);
    else topics.set(topic, [message]);
  }
  return [...topics].map(([topic, messages]) => ({ topic, messages }));
}

/** Whoever writes rows himself may write anything: such a row is refused alone. */
function headersOf(text: string): Record<string, string> {
  let headers: unknown;
  try {
    headers = JSON.parse(text);
  } catch (error) {
    throw new RecordsRefused(`its headers are not JSON: ${messageOf(error)}`, { cause: error });
  }
  const isObject = typeof headers === 'object' && headers !== null && !Array.isArray(headers);
  if (isObject && Object.values(headers as object).every((value) => typeof value === 'string')) {
    return headers as Record<string, string>;
  }
  throw new RecordsRefused('its headers are not a JSON object of strings');
}

/** The first of them that the broker does not have or does not show us. */
async function missing(kafka: Kafka, topics: readonly string[]): Promise<string | undefined> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    for (const topic of topics) {
      try {
        await admin.fetchTopicMetadata({ topics: [topic] });
      } catch (error) {
        if (OF_THE_TOPIC.includes(typeOf(error))) return topic;
        throw error;
      }
    }
    return undefined;
  } finally {
    void admin.disconnect().catch(() => undefined);
  }
}

async function quit({ producer, connected }: Session): Promise<void> {
  await connected.catch(() => undefined);
  await producer.disconnect().catch(() => undefined);
}

/** Within `ms`, or it has failed. */
function inTime<T>(ms: number, work: Promise<T>): Promise<T> {
  return within(ms, work, () => new Error(`Kafka did not answer within ${ms} ms`));
}

/** kafkajs wraps what the broker said, sometimes twice. */
function typeOf(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('type' in at && typeof at.type === 'string') return at.type;
  }
  return '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
