/** Whether Kafka answers, asked apart from what is being sent. */
import type { Kafka } from 'kafkajs';

/** How many brokers the cluster has. Rejects with what went wrong. */
export async function countBrokers(kafka: Kafka): Promise<number> {
  const admin = kafka.admin({ retry: { retries: 0 } });
  try {
    await admin.connect();
    return (await admin.describeCluster()).brokers.length;
  } finally {
    await admin.disconnect();
  }
}
