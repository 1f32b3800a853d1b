/** How far a consumer group is behind. */
import type { Admin, Kafka } from 'kafkajs';

export interface PartitionLag {
  /** For a metric. */
  readonly labels: { readonly group: string; readonly topic: string; readonly partition: string };
  /** Messages whose offsets the group has not committed; offsets are committed every second. */
  readonly messages: number;
  /** How long ago the last message happened that this process handled, in ms; 0: there is no later one; null: it handled none. */
  readonly ms: number | null;
}

export class LagReader {
  private admin: Promise<Admin> | undefined;

  constructor(
    private readonly kafka: Kafka,
    private readonly groupId: string,
    private readonly lastOf: (topic: string, partition: number) => Date | null,
  ) {}

  /** @throws when the broker does not answer */
  async read(topics: readonly string[]): Promise<PartitionLag[]> {
    this.admin ??= this.connected();
    try {
      const admin = await this.admin;
      const [committed, ...ends] = await Promise.all([
        admin.fetchOffsets({ groupId: this.groupId, topics: [...topics] }),
        ...topics.map((topic) => admin.fetchTopicOffsets(topic)),
      ]);
      const done = new Map(
        committed.flatMap(({ topic, partitions }) =>
          partitions.map(({ partition, offset }) => [`${topic}/${partition}`, Number(offset)] as const),
        ),
      );
      return topics.flatMap((topic, at) =>
        (ends[at] ?? []).map(({ partition, low, high }) => {
          const from = Math.max(Number(low), done.get(`${topic}/${partition}`) ?? 0);
          return this.lagOf(topic, partition, Math.max(0, Number(high) - from));
        }),
      );
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const { admin } = this;
    this.admin = undefined;
    await admin?.then((connected) => connected.disconnect()).catch(() => undefined);
  }

  private lagOf(topic: string, partition: number, messages: number): PartitionLag {
    const last = this.lastOf(topic, partition);
    const ms = messages === 0 ? 0 : last && Math.max(0, Date.now() - last.getTime());
    return { labels: { group: this.groupId, topic, partition: String(partition) }, messages, ms };
  }

  private async connected(): Promise<Admin> {
    const admin = this.kafka.admin();
    await admin.connect();
    return admin;
  }
}
