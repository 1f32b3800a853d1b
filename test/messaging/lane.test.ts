/** What a lane promises, on a real broker (src/outbox/producer.ts). */
import { Partitioners } from 'kafkajs';
import type { Kafka, Producer } from 'kafkajs';
import { Lane } from '../../src/outbox/lane.js';
import { lastingPartitioner, partitionOf } from '../../src/outbox/partition.js';
import { RecordsRefused, TopicUnknown } from '../../src/outbox/producer.js';
import type { OutboxRecord } from '../../src/outbox/producer.js';
import { clientOf, createTopic, kafkaBrokers, readTopic, withKafka } from '../support/kafka.js';

const record = (topic: string, key: string | null, payload: string): OutboxRecord => ({
  topic,
  key,
  payload,
  headers: '{"ce_id":"x"}',
});

test('a key goes to the partition where Kafka’s own producers put it', () => {
  const partitioner = Partitioners.DefaultPartitioner();
  const letters = 'aé漢😀-0';
  for (let length = 0; length < 200; length += 1) {
    const key = Buffer.from(Array.from({ length }, (_, index) => letters[(index * length) % letters.length]).join(''));
    for (const partitions of [1, 3, 12]) {
      const partitionMetadata = Array.from({ length: partitions }, () => ({}) as never);
      const theirs = partitioner({ topic: 't', partitionMetadata, message: { key, value: '' } });
      expect(partitionOf(key, partitions)).toBe(theirs);
    }
  }
});

test('a record without a key stays where it was put first, however often its partition is asked for', () => {
  const choose = lastingPartitioner();
  const partitionMetadata = Array.from({ length: 3 }, () => ({}) as never);
  const messages = Array.from({ length: 3 }, () => ({ key: null, value: '' }));
  const first = messages.map((message) => choose({ message, partitionMetadata }));
  expect(new Set(first)).toEqual(new Set([0, 1, 2]));
  expect(messages.map((message) => choose({ message, partitionMetadata }))).toEqual(first);
});

withKafka()('a lane', () => {
  let brokers: string;
  const lanes: Lane[] = [];

  function lane(): Lane {
    const made = new Lane(clientOf(brokers));
    lanes.push(made);
    return made;
  }

  /** Over a client that answers otherwise. */
  function laneWith(changed: (producer: Producer) => Producer): Lane {
    const kafka = clientOf(brokers);
    const made = new Lane({ ...kafka, producer: (options) => changed(kafka.producer(options)) } as Kafka);
    lanes.push(made);
    return made;
  }

  beforeAll(async () => {
    brokers = await kafkaBrokers();
  });

  afterAll(() => Promise.all(lanes.map((made) => made.close())));

  const valuesIn = async (topic: string, atLeast: number): Promise<(string | null)[]> =>
    (await readTopic(brokers, topic, atLeast)).map(({ value }) => value);

  test('stores each record of a batch for several topics, those of one key in the order given', async () => {
    const topics = [await createTopic(brokers, { partitions: 3 }), await createTopic(brokers, { partitions: 1 })];
    const to = lane();
    const records = Array.from({ length: 500 }, (_, n) => record(topics[n % 2]!, n % 7 ? `k${n % 7}` : null, `${n}`));
    await to.send(records.slice(0, 250));
    await to.send(records.slice(250));
    for (const topic of topics) {
      const read = await readTopic(brokers, topic, 250);
      const sent = records.filter((one) => one.topic === topic);
      expect(read).toHaveLength(250);
      expect(read[0]!.headers).toEqual({ ce_id: 'x' });
      for (const key of new Set(sent.map((one) => one.key).filter((one) => one !== null))) {
        const of = <T extends { key: string | null }>(all: T[]): T[] => all.filter((one) => one.key === key);
        expect(of(read).map(({ value }) => value)).toEqual(of(sent).map(({ payload }) => payload));
      }
      const keyless = (all: { key: string | null }[]): number => all.filter(({ key }) => key === null).length;
      expect(keyless(read)).toBe(keyless(sent));
    }
  });

  test('refuses a second batch while one is under way, which goes on', async () => {
    const topic = await createTopic(brokers);
    const to = lane();
    const first = to.send([record(topic, 'k', 'first')]);
    await expect(to.send([record(topic, 'k', 'second')])).rejects.toThrow('has a batch under way');
    await first;
    await to.send([record(topic, 'k', 'third')]);
    expect(await valuesIn(topic, 2)).toEqual(['first', 'third']);
  });

  test.each(['test-no-such-topic', 'no topic at all'])('names the topic %j, which is not there', async (missing) => {
    const topic = await createTopic(brokers);
    const to = lane();
    await to.send([record(topic, 'k', 'before')]);
    for (const batch of [[record(missing, 'k', 'x')], [record(topic, 'k', 'y'), record(missing, 'k', 'x')]]) {
      const error: unknown = await to.send(batch).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(TopicUnknown);
      expect((error as TopicUnknown).topic).toBe(missing);
    }
    await to.send([record(topic, 'k', 'after')]);
    expect(await valuesIn(topic, 2)).toEqual(['before', 'after']);
  });

  test('a topic that somebody deletes holds up no other', async () => {
    const [gone, topic] = [await createTopic(brokers), await createTopic(brokers)];
    const to = lane();
    await to.send([record(gone, 'k', 'x'), record(topic, 'k', 'before')]);
    const admin = clientOf(brokers).admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [gone] });
    await admin.disconnect();
    await expect(to.send([record(gone, 'k', 'x')])).rejects.toBeInstanceOf(TopicUnknown);
    await to.send([record(topic, 'k', 'after')]);
    expect(await valuesIn(topic, 2)).toEqual(['before', 'after']);
  });

  test('a record that is too large, or has no key where one is needed, is refused', async () => {
    const small = await createTopic(brokers, { config: { 'max.message.bytes': '2000' } });
    const compacted = await createTopic(brokers, { config: { 'cleanup.policy': 'compact' } });
    const to = lane();
    await expect(to.send([record(small, 'k', 'x'.repeat(3000))])).rejects.toBeInstanceOf(RecordsRefused);
    await expect(to.send([record(compacted, null, 'x')])).rejects.toBeInstanceOf(RecordsRefused);
    await to.send([record(small, 'k', 'small'), record(compacted, 'k', 'keyed')]);
    expect(await valuesIn(small, 1)).toEqual(['small']);
    expect(await valuesIn(compacted, 1)).toEqual(['keyed']);
  });

  // As a cluster says it; a single broker asks for no more replicas than there are.
  test('a topic that has too few replicas holds up no other', async () => {
    const [topic, short] = [await createTopic(brokers), await createTopic(brokers)];
    const to = laneWith((real) => ({
      ...real,
      sendBatch: (batch) => {
        if (!batch.topicMessages?.some((of) => of.topic === short)) return real.sendBatch(batch);
        const said = Object.assign(new Error('fewer in-sync replicas than required'), { type: 'NOT_ENOUGH_REPLICAS' });
        return Promise.reject(new Error('retries exceeded', { cause: said }));
      },
    }));
    // Halved, it is found.
    await expect(to.send([record(topic, 'k', 'x'), record(short, 'k', 'x')])).rejects.toBeInstanceOf(RecordsRefused);
    await expect(to.send([record(short, 'k', 'x')])).rejects.toBeInstanceOf(TopicUnknown);
    await to.send([record(topic, 'k', 'after')]);
    expect(await valuesIn(topic, 1)).toEqual(['after']);
  });

  // kafkajs takes the numbers of the whole batch back, those of the partition that has stored its part too; the broker
  // then takes what comes next for a repetition, and acknowledges it.
  test('what follows a batch that was refused in part is not taken for a part of it', async () => {
    const topic = await createTopic(brokers, { partitions: 2, config: { 'max.message.bytes': '2000' } });
    const keyOf = (partition: number): string =>
      ['a', 'b', 'c', 'd', 'e'].find((key) => partitionOf(Buffer.from(key), 2) === partition)!;
    const [good, bad] = [keyOf(0), keyOf(1)];
    const to = lane();
    const batch = [record(topic, good, '1'), record(topic, good, '2'), record(topic, bad, 'x'.repeat(3000))];
    await expect(to.send(batch)).rejects.toBeInstanceOf(RecordsRefused);
    await to.send([record(topic, good, '3'), record(topic, good, '4')]);
    const values = await valuesIn(topic, 2);
    expect(values.slice(-2)).toEqual(['3', '4']);
  });

  // kafkajs says so where a partition moves, between two attempts, to a broker that has answered the first.
  test('a batch has failed of which a partition was not acknowledged, although the client says that it was sent', async () => {
    const topic = await createTopic(brokers, { partitions: 2 });
    let isForgetful = true;
    const to = laneWith((real) => ({
      ...real,
      sendBatch: async (batch) =>
        (await real.sendBatch(batch)).filter(({ partition }) => !isForgetful || partition === 0),
    }));
    const batch = ['a', 'b', 'c', 'd', 'e'].map((key) => record(topic, key, key));
    await expect(to.send(batch)).rejects.toThrow(`no broker acknowledged what went to partition 1 of ${topic}`);
    isForgetful = false;
    await to.send(batch);
  });

  test.each(['{', '[]', 'null', '{"n":1}'])(
    'headers that are %j are refused, and hold up nothing else',
    async (headers) => {
      const topic = await createTopic(brokers);
      const to = lane();
      const wrong = { ...record(topic, 'k', 'wrong'), headers };
      await expect(to.send([record(topic, 'k', 'with it'), wrong])).rejects.toBeInstanceOf(RecordsRefused);
      await to.send([record(topic, 'k', 'good')]);
      expect(await valuesIn(topic, 1)).toEqual(['good']);
    },
  );

  test('sends nothing once it is closed', async () => {
    const topic = await createTopic(brokers);
    const to = lane();
    await to.send([record(topic, 'k', 'x')]);
    await to.close();
    await expect(to.send([record(topic, 'k', 'y')])).rejects.toThrow('closed');
    expect(await valuesIn(topic, 1)).toEqual(['x']);
  });
});
