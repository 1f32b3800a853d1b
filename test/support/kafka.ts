/**
 * A real Kafka for tests. KAFKA_BROKERS names one, or a broker is started: as a container where a Docker engine
 * answers, else as a Java process (kafka-jars.ts). Where neither can be, the tests are skipped and standard error says
 * why; with CI set they fail.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import type { KafkaMessage } from 'kafkajs';
import { startJavaBroker } from './kafka-broker.js';
import type { Broker } from './kafka-broker.js';
import { dockerHasKafka, startDockerBroker } from './kafka-docker.js';
import { kafkaProgram } from './kafka-jars.js';
import { makeTopic } from './kafka-topic.js';
import type { TopicParts } from './kafka-topic.js';
import { runFolder, sharedServer } from './run.js';

export type { Broker } from './kafka-broker.js';

const READ_MS = 50_000;

type Start = (folder: string) => Promise<Broker>;
let found: Start | null | undefined;

function starter(): Start | null {
  if (found !== undefined) return found;
  if (dockerHasKafka()) return (found = startDockerBroker);
  const program = kafkaProgram();
  return (found = program && ((folder) => startJavaBroker(program, folder)));
}

/** `describe` for tests that need `kafkaBrokers`, or what skips them. */
export function withKafka(): typeof describe {
  return process.env['KAFKA_BROKERS'] || starter() ? describe : describe.skip;
}

/** `describe` for tests that need `startBroker`, or what skips them. */
export function withOwnBroker(): typeof describe {
  return starter() ? describe : describe.skip;
}

/**
 * The broker that all tests of the run share, as KAFKA_BROKERS has it. Who asks first starts it; it ends with the run.
 * Tests take topics and groups of their own on it and leave it as it is.
 */
export async function kafkaBrokers(): Promise<string> {
  const given = process.env['KAFKA_BROKERS'];
  if (given) return given;
  return await sharedServer('kafka-shared', async (folder) => (await startIn(folder)).address);
}

/** A broker for tests that freeze, kill or restart it. They stop it; what they do not stop ends with the run. */
export function startBroker(): Promise<Broker> {
  return startIn(join(runFolder(), `kafka-${randomBytes(4).toString('hex')}`));
}

async function startIn(folder: string): Promise<Broker> {
  const start = starter();
  if (start === null) throw new Error('no Kafka can be started here: use withKafka() or withOwnBroker()');
  return await start(folder);
}

/** A quiet client. */
export function clientOf(brokers: string): Kafka {
  return new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING, connectionTimeout: 5000 });
}

/** A topic with a name of its own; it is there when this comes back. */
export async function createTopic(brokers: string, what: Partial<TopicParts> = {}): Promise<string> {
  const admin = clientOf(brokers).admin();
  await admin.connect();
  try {
    return await makeTopic(admin, what);
  } finally {
    await admin.disconnect();
  }
}

export interface ReadMessage {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Everything in a topic, in order within a partition. Waits until there are `atLeast` records.
 *
 * @throws after 50 s, saying how many there were
 */
export async function readTopic(brokers: string, topic: string, atLeast = 0): Promise<ReadMessage[]> {
  const kafka = clientOf(brokers);
  const admin = kafka.admin();
  const consumer = kafka.consumer({ groupId: `read-${randomBytes(6).toString('hex')}`, maxWaitTimeInMs: 100 });
  const read: ReadMessage[] = [];
  const deadline = AbortSignal.timeout(READ_MS);
  try {
    await admin.connect();
    const ends = await endsOf(() => admin.fetchTopicOffsets(topic), atLeast, deadline);
    if (ends.size === 0) return read;
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      deadline.addEventListener('abort', () => reject(new Error(`${topic}: ${read.length} records were read`)));
      const eachBatch = ({ batch }: { batch: Batch }): Promise<void> => {
        read.push(...batch.messages.map((message) => readable(batch.partition, message)));
        if (Number(batch.lastOffset()) + 1 >= (ends.get(batch.partition) ?? 0)) ends.delete(batch.partition);
        if (ends.size === 0) resolve();
        return Promise.resolve();
      };
      consumer.run({ autoCommit: false, eachBatch }).catch(reject);
    });
    return read;
  } finally {
    await Promise.all([consumer.disconnect(), admin.disconnect()]);
  }
}

interface Batch {
  readonly partition: number;
  readonly messages: readonly KafkaMessage[];
  lastOffset(): string;
}

/** The end of each partition that has records, once there are enough of them. */
async function endsOf(
  offsets: () => Promise<{ partition: number; low: string; high: string }[]>,
  atLeast: number,
  deadline: AbortSignal,
): Promise<Map<number, number>> {
  for (;;) {
    const now = (await offsets()).map(({ partition, low, high }) => ({ partition, low: +low, high: +high }));
    const count = now.reduce((sum, { low, high }) => sum + high - low, 0);
    if (count >= atLeast) {
      return new Map(now.filter(({ low, high }) => high > low).map(({ partition, high }) => [partition, high]));
    }
    if (deadline.aborted) throw new Error(`the topic has ${count} records, not ${atLeast}`);
    await pause(50);
  }
}

function readable(partition: number, { offset, key, value, headers = {} }: KafkaMessage): ReadMessage {
  const texts = Object.entries(headers).map(([name, header]) => [name, String(header)] as const);
  const text = (bytes: Buffer | null): string | null => bytes?.toString() ?? null;
  return { partition, offset: Number(offset), key: text(key), value: text(value), headers: Object.fromEntries(texts) };
}
