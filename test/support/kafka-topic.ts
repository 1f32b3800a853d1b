/** Topics for tests and the benchmark. */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Admin } from 'kafkajs';

export interface TopicParts {
  /** Default 1. */
  readonly partitions: number;
  readonly config: Readonly<Record<string, string>>;
}

/**
 * Makes a topic with a name of its own and waits until every partition has a leader that knows it is one, which is later
 * than the metadata says; kafkajs itself gives up, or never comes back, where the broker does not know the topic at once.
 */
export async function makeTopic(
  admin: Admin,
  { partitions = 1, config = {} }: Partial<TopicParts> = {},
): Promise<string> {
  const topic = `test-${randomBytes(6).toString('hex')}`;
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: partitions, configEntries }] });
  const isLed = async (): Promise<boolean> => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const leaders = topics[0]?.partitions ?? [];
    if (leaders.length !== partitions || leaders.some(({ leader }) => leader < 0)) return false;
    return (await admin.fetchTopicOffsets(topic)).length === partitions;
  };
  const until = performance.now() + 30_000;
  while (!(await isLed().catch(() => false))) {
    if (performance.now() > until) throw new Error(`${topic} has no leaders`);
    await pause(20);
  }
  return topic;
}
