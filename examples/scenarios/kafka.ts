/** What the demo does with a Kafka that is there: a topic of its own, and a message that comes twice. */
import { Kafka, logLevel } from 'kafkajs';
import type { KafkaMessage } from 'kafkajs';
import type { Shop } from './shop.js';

export interface KafkaOfShop {
  readonly brokers: string;
  readonly topic: string;
}

const client = ({ brokers }: KafkaOfShop): Kafka =>
  new Kafka({ clientId: 'demo', brokers: brokers.split(','), logLevel: logLevel.NOTHING });

/** Makes the topic; gives what removes it again. */
export async function makeTopic(kafka: KafkaOfShop): Promise<() => Promise<unknown>> {
  const admin = client(kafka).admin();
  await admin.connect();
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic: kafka.topic, numPartitions: 4 }] });
  return async () => {
    await admin.deleteTopics({ topics: [kafka.topic] });
    await admin.disconnect();
  };
}

/** Sends the message with this id once more, as it was, and waits until the points service has been past it. */
export async function sendAgain(shop: Shop, id: string): Promise<void> {
  const { kafka } = shop;
  if (!kafka) return;
  const { key, value, headers } = await find(kafka, id);
  const producer = client(kafka).producer();
  await producer.connect();
  const [sent] = await producer.send({
    topic: kafka.topic,
    messages: [{ key, value, ...(headers ? { headers } : {}) }],
  });
  await producer.disconnect();
  const admin = client(kafka).admin();
  await admin.connect();
  await shop.until('the points service has been past the repeat', async () => {
    const [group] = await admin.fetchOffsets({ groupId: kafka.topic, topics: [kafka.topic] });
    const at = group?.partitions.find(({ partition }) => partition === sent?.partition)?.offset ?? '-1';
    return BigInt(at) > BigInt(sent?.baseOffset ?? 0);
  });
  await admin.disconnect();
}

async function find(kafka: KafkaOfShop, id: string): Promise<KafkaMessage> {
  const consumer = client(kafka).consumer({ groupId: `${kafka.topic}-reader` });
  await consumer.connect();
  await consumer.subscribe({ topic: kafka.topic, fromBeginning: true });
  try {
    return await new Promise<KafkaMessage>((resolve, reject) => {
      const eachMessage = async ({ message }: { message: KafkaMessage }): Promise<void> => {
        if (String(message.headers?.['ce_id']) === id) resolve(message);
      };
      consumer.run({ eachMessage }).catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
}
