/** A relay, its lane and a real broker. */
import { randomUUID } from 'node:crypto';
import { DeadLetters } from '../../../src/outbox/dead-letters.js';
import { Lane } from '../../../src/outbox/lane.js';
import type { Producer } from '../../../src/outbox/producer.js';
import { until } from '../../client/until.js';
import { clientOf, createTopic, kafkaBrokers, readTopic, withKafka } from '../../support/kafka.js';
import { numbered, Outbox } from './outbox.js';

withKafka()('with a real broker', () => {
  let brokers: string;
  let outbox: Outbox;
  const producer = (): Producer => new Lane(clientOf(brokers));

  beforeAll(async () => {
    brokers = await kafkaBrokers();
  });

  beforeEach(async () => {
    outbox = await Outbox.create();
  });

  afterEach(() => outbox.close());

  test('messages arrive with key, value and headers, those of a key in their order', async () => {
    const topic = await createTopic(brokers, { partitions: 3 });
    const [id] = await outbox.append({ topic, key: 'first', payload: { ü: [1] }, headers: { own: 'ü' } });
    await outbox.append(...Array.from({ length: 1200 }, (_, n) => numbered(n, `k${n % 5}`, topic)));
    await outbox.relay({ producer, lanes: 2, leaseMs: 20_000 });
    await outbox.drained();
    const read = await readTopic(brokers, topic, 1201);
    expect(read).toHaveLength(1201);
    expect(read.find(({ key }) => key === 'first')).toMatchObject({
      value: '{"ü":[1]}',
      headers: { own: 'ü', ce_id: id, ce_type: topic, ce_partitionkey: 'first', ce_source: 'urn:test' },
    });
    for (let k = 0; k < 5; k += 1) {
      const values = read.filter(({ key }) => key === `k${k}`).map(({ value }) => Number(value));
      expect(values).toEqual(Array.from({ length: 240 }, (_, n) => 5 * n + k));
    }
  });

  test('a topic that is not there delays only itself, until it is made', async () => {
    const there = await createTopic(brokers);
    const later = `test-${randomUUID()}`;
    await outbox.append(numbered(1, 'k', later), numbered(2, 'k', there), numbered(3, 'k', later));
    const relay = await outbox.relay({ producer, leaseMs: 20_000 });
    await until('the other one has arrived', async () => (await outbox.count()) === 2);
    expect(relay.status.blocked).toMatchObject([{ topic: later, key: null }]);
    const admin = clientOf(brokers).admin();
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic: later }] });
    await admin.disconnect();
    await outbox.drained();
    expect((await readTopic(brokers, later, 2)).map(({ value }) => value)).toEqual(['1', '3']);
    expect((await readTopic(brokers, there, 1)).map(({ value }) => value)).toEqual(['2']);
  });

  test('what the broker never takes is found among its neighbours, and skipped', async () => {
    const topic = await createTopic(brokers, { config: { 'max.message.bytes': '4000' } });
    await outbox.append(
      numbered(1, 'k', topic),
      { topic, key: 'k', payload: 'x'.repeat(8000) },
      numbered(2, 'k', topic),
    );
    await outbox.append(numbered(3, 'k', topic));
    await outbox.pool.query(
      `INSERT INTO tercet_outbox (bucket, message_id, topic, key, payload, headers)
       SELECT bucket, 'odd', topic, key, '4', 'no JSON' FROM tercet_outbox LIMIT 1`,
    );
    await outbox.append(numbered(5, 'k', topic));
    await outbox.relay({ producer, policy: 'skip', leaseMs: 20_000 });
    await outbox.drained();
    const values = (await readTopic(brokers, topic, 4)).map(({ value }) => Number(value));
    expect([...new Set(values)]).toEqual([1, 2, 3, 5]);
    const dead = await new DeadLetters(outbox.pool).list();
    expect(dead.map(({ error }) => error)).toEqual([
      expect.stringMatching(/too large|larger/) as string,
      expect.stringMatching(/headers are not JSON/) as string,
    ]);
  });
});
