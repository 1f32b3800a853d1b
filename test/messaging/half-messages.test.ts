/** A consumer of half messages that kafkajs gives up for good goes on all the same. */
import type { Kafka } from 'kafkajs';
import type { Coordinator } from '../../src/engine/coordinator.js';
import { HalfMessages } from '../../src/messaging/half-messages.js';
import { Lane } from '../../src/outbox/lane.js';
import { SystemClock } from '../../src/system-clock.js';
import { clientOf, createTopic, kafkaBrokers, readTopic, withKafka } from '../support/kafka.js';

withKafka()('half messages', () => {
  test('are read again after a crash that kafkajs takes for final', async () => {
    const brokers = await kafkaBrokers();
    const [topic, replies] = [await createTopic(brokers), await createTopic(brokers)];
    const kafka = clientOf(brokers);
    let crashes = 0;
    const consumer: Kafka['consumer'] = (options) => {
      const real = kafka.consumer(options);
      const run: typeof real.run = ({ eachBatch, ...rest } = {}) =>
        real.run({
          ...rest,
          eachBatch: async (batch) => {
            // What kafkajs itself throws where an offset is resolved of a topic of which no partition is left.
            if (crashes++ === 0) throw new TypeError('no partition of it is left');
            await eachBatch?.(batch);
          },
        });
      return { ...real, run };
    };
    const quiet = { info() {}, warn() {}, error() {} };
    const half = new HalfMessages({
      kafka: { ...kafka, consumer } as Kafka,
      topic,
      // Nothing that is asked for here comes so far.
      coordinator: {} as Coordinator,
      producer: new Lane(kafka),
      clock: new SystemClock(),
      logger: quiet,
    });
    const producer = kafka.producer();
    await producer.connect();
    const headers = { 'tercet-gid': 'g', 'tercet-op': 'no such', 'tercet-reply-to': replies };
    await producer.send({ topic, messages: [{ key: 'g', value: '{}', headers }] });
    await producer.disconnect();
    half.start();
    expect((await readTopic(brokers, replies, 1)).map((read) => read.headers['tercet-status'])).toEqual(['400']);
    expect(crashes).toBe(2);
    await half.stop();
  });
});
