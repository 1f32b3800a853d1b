/** What the tests of messages stand on: a real broker that keeps what it acknowledged. */
import {
  clientOf,
  createTopic,
  kafkaBrokers,
  readTopic,
  startBroker,
  withKafka,
  withOwnBroker,
} from '../support/kafka.js';

withKafka()('the broker of the run', () => {
  test('is one for all who ask, and keeps what it is sent', async () => {
    const [brokers, again] = await Promise.all([kafkaBrokers(), kafkaBrokers()]);
    expect(again).toBe(brokers);
    const topic = await createTopic(brokers, { partitions: 3 });
    expect(await readTopic(brokers, topic)).toEqual([]);
    const producer = clientOf(brokers).producer();
    await producer.connect();
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
    await producer.send({ topic, messages: keys.map((key) => ({ key, value: `of ${key}`, headers: { h: key } })) });
    await producer.disconnect();
    const read = await readTopic(brokers, topic, 20);
    expect(read.map(({ key }) => key).sort()).toEqual(keys.sort());
    expect(read.every(({ key, value, headers }) => value === `of ${key}` && headers['h'] === key)).toBe(true);
  });
});

withOwnBroker()('a broker of one’s own', () => {
  test('keeps what it acknowledged when it is frozen, and when it is killed and started again', async () => {
    const broker = await startBroker();
    try {
      const topic = await createTopic(broker.address);
      const producer = clientOf(broker.address).producer();
      await producer.connect();
      broker.freeze();
      const sent = producer.send({ topic, messages: [{ value: 'one' }] });
      broker.thaw();
      await sent;
      await broker.kill();
      await producer.disconnect();
      await broker.restart();
      expect((await readTopic(broker.address, topic, 1)).map(({ value }) => value)).toEqual(['one']);
    } finally {
      await broker.stop();
    }
  });
});
