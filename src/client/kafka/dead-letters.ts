/** The topics that take what was given up: the message as it came, with headers that say why. */
import type { IHeaders, Kafka, KafkaMessage, Producer } from 'kafkajs';
import { lastingPartitioner } from '../../outbox/partition.js';
import { within } from '../../platform/within.js';
import { TOPIC } from '../../protocol/words.js';
import { described } from '../errors.js';
import type { InboxEntry, Obituary } from './inbox.js';
import { placeId } from './message.js';
import type { Envelope } from './message.js';

/** What a dead letter says of itself, beside its own headers. */
export const DEAD_LETTER = {
  topic: 'tercet-dead-topic',
  partition: 'tercet-dead-partition',
  offset: 'tercet-dead-offset',
  group: 'tercet-dead-group',
  error: 'tercet-dead-error',
  attempts: 'tercet-dead-attempts',
  firstFailedAt: 'tercet-dead-first-failed-at',
} as const;

const SEND_MS = 8000;
const MAX_ERROR_CHARS = 1000;

/** @throws RangeError where the default cannot be a topic: give `deadLetterTopic` */
export function deadLetterTopicOf(topic: string, groupId: string): string {
  const name = `${topic}.${groupId}.dlq`;
  if (TOPIC.test(name)) return name;
  throw new RangeError(`'${name}' cannot be the name of a topic: give the option deadLetterTopic`);
}

/** The message that goes to the dead-letter topic. */
export function deadLetterOf(
  { key, value, headers = {} }: KafkaMessage,
  { topic, partition, offset, consumer }: InboxEntry,
  { attempts, error, firstFailedAt }: Obituary,
): { key: Buffer | null; value: Buffer | null; headers: IHeaders } {
  return {
    key,
    value,
    headers: {
      ...headers,
      [DEAD_LETTER.topic]: topic,
      [DEAD_LETTER.partition]: String(partition),
      [DEAD_LETTER.offset]: offset,
      [DEAD_LETTER.group]: consumer,
      [DEAD_LETTER.error]: error.slice(0, MAX_ERROR_CHARS),
      [DEAD_LETTER.attempts]: String(attempts),
      [DEAD_LETTER.firstFailedAt]: firstFailedAt.toISOString(),
    },
  };
}

/** The message as it was where it failed. */
export function beforeDeath(envelope: Envelope): Envelope {
  const { headers } = envelope;
  const { [DEAD_LETTER.topic]: topic, [DEAD_LETTER.partition]: partition, [DEAD_LETTER.offset]: offset } = headers;
  if (topic === undefined || partition === undefined || offset === undefined) return envelope;
  const id = headers['ce_id'] ?? placeId(topic, Number(partition), offset);
  return { ...envelope, id, topic, partition: Number(partition), offset };
}

/**
 * Sends one at a time: kafkajs gives a sequence number twice where sends on one idempotent producer overlap, and the
 * broker then drops one of them without an error.
 */
export class DeadLetters {
  private producer: Producer | undefined;
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly kafka: Kafka) {}

  /** @throws when the broker did not confirm it in time: it may be there all the same */
  send(topic: string, letter: ReturnType<typeof deadLetterOf>): Promise<void> {
    const sent = this.last.then(() => this.sendNow(topic, letter));
    this.last = sent.catch(() => undefined);
    return sent;
  }

  async close(): Promise<void> {
    await this.last;
    await this.drop();
  }

  private async sendNow(topic: string, letter: ReturnType<typeof deadLetterOf>): Promise<void> {
    const late = (): Error => new Error(`no answer within ${SEND_MS} ms`);
    try {
      await within(SEND_MS, this.confirmed(topic, letter), late);
    } catch (error) {
      // What became of it is not known: this producer's next number would be a guess.
      void this.drop();
      throw new Error(`the dead-letter topic ${topic} did not take a message: ${described(error)}`, { cause: error });
    }
  }

  private async confirmed(topic: string, letter: ReturnType<typeof deadLetterOf>): Promise<void> {
    // By itself it would go on for ever, after its deadline too, and so beside its successor.
    const retry = { retries: 3 };
    this.producer ??= this.kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: lastingPartitioner,
      retry,
    });
    const { producer } = this;
    await producer.connect();
    await producer.send({ topic, messages: [letter], acks: -1 });
  }

  private async drop(): Promise<void> {
    const { producer } = this;
    this.producer = undefined;
    await producer?.disconnect().catch(() => undefined);
  }
}
