/**
 * The sequence trap: a broker that answers late makes kafkajs give a number that it has used to another message. The
 * broker takes that for a repetition, acknowledges it, and drops it. A lane loses nothing under what loses messages
 * with two sends at a time on one producer.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { Lane } from '../../src/outbox/lane.js';
import type { OutboxRecord } from '../../src/outbox/producer.js';
import { createTopic, readTopic, startBroker, withOwnBroker } from '../support/kafka.js';
import type { Broker } from '../support/kafka.js';

/** Longer than a request may take, so that each freeze makes one late. */
const FROZEN_MS = 1500;
const KEYS = 5;

withOwnBroker()('under a broker that freezes again and again', () => {
  let broker: Broker;

  beforeAll(async () => {
    broker = await startBroker();
  });

  afterAll(() => broker.stop());

  const impatient = (): Kafka =>
    new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING, requestTimeout: 1000, connectionTimeout: 5000 });

  async function freezeFor(ms: number): Promise<void> {
    broker.freeze();
    await pause(ms);
    broker.thaw();
  }

  /** Freezes are for what is under way, not for the way to it. */
  async function goesOn(acknowledged: readonly unknown[]): Promise<void> {
    const enough = acknowledged.length + 8;
    const until = performance.now() + 30_000;
    while (acknowledged.length < enough) {
      if (performance.now() > until) throw new Error('nothing is acknowledged any more');
      await pause(10);
    }
  }

  /** One batch after the other until `freezes` are over, each again until it is acknowledged; those that were. */
  async function relay(lane: Lane, freezes: number, next: (from: number) => OutboxRecord[]): Promise<OutboxRecord[]> {
    const acknowledged: OutboxRecord[] = [];
    let isOver = false;
    const sender = async (): Promise<void> => {
      while (!isOver) {
        const batch = next(acknowledged.length);
        const error: unknown = await lane.send(batch).then(
          () => null,
          (reason: unknown) => reason,
        );
        if (error === null) acknowledged.push(...batch);
      }
    };
    const sent = sender();
    for (let freeze = 0; freeze < freezes; freeze += 1) {
      await goesOn(acknowledged);
      await freezeFor(FROZEN_MS);
    }
    await goesOn(acknowledged);
    isOver = true;
    await sent;
    await lane.close();
    return acknowledged;
  }

  const record = (topic: string, key: string | null, number: number): OutboxRecord => ({
    topic,
    key,
    payload: String(number),
    headers: '{}',
  });
  const keyed = (topic: string) => (from: number) =>
    [from, from + 1, from + 2, from + 3].map((number) => record(topic, `k${number % KEYS}`, number));

  /** Nothing that was acknowledged is missing, and what of a key comes for the first time comes in order. */
  async function expectAll(topic: string, acknowledged: readonly OutboxRecord[]): Promise<void> {
    const read = await readTopic(broker.address, topic, acknowledged.length);
    const values = new Set(read.map(({ value }) => value));
    expect(acknowledged.filter(({ payload }) => !values.has(payload))).toEqual([]);
    for (let key = 0; key < KEYS; key += 1) {
      const first = [...new Set(read.filter((one) => one.key === `k${key}`).map(({ value }) => Number(value)))];
      expect(first).toEqual(first.toSorted((a, b) => a - b));
    }
  }

  test('a lane loses nothing that it acknowledged, and keeps the order of each key', async () => {
    const topic = await createTopic(broker.address, { partitions: 3 });
    const acknowledged = await relay(new Lane(impatient()), 6, keyed(topic));
    await expectAll(topic, acknowledged);
  }, 120_000);

  test('nor does one whose records have no key, and may go to any partition', async () => {
    const topic = await createTopic(broker.address, { partitions: 2 });
    const acknowledged = await relay(new Lane(impatient()), 3, (number) => [record(topic, null, number)]);
    await expectAll(topic, acknowledged);
  }, 120_000);

  test('a lane whose broker answers after its deadline goes on with a new producer, and loses nothing', async () => {
    const topic = await createTopic(broker.address, { partitions: 3 });
    const acknowledged = await relay(new Lane(impatient(), 700), 3, keyed(topic));
    await expectAll(topic, acknowledged);
  }, 120_000);

  test('sends at a time on one idempotent producer lose acknowledged messages: that is why', async () => {
    const topic = await createTopic(broker.address);
    const producer = impatient().producer({ idempotent: true });
    await producer.connect();
    const acknowledged: string[] = [];
    let isOver = false;
    const sender = async (name: number): Promise<void> => {
      for (let count = 0; !isOver; count += 1) {
        const value = `${name}-${count}`;
        await producer.send({ topic, messages: [{ key: 'k', value }] });
        acknowledged.push(value);
      }
    };
    let lost: string[] = [];
    for (let freeze = 0; freeze < 12 && lost.length === 0; freeze += 1) {
      isOver = false;
      const senders = Array.from({ length: 8 }, (_, name) => sender(freeze * 8 + name));
      await goesOn(acknowledged);
      await freezeFor(FROZEN_MS);
      isOver = true;
      await Promise.allSettled(senders);
      const stored = new Set((await readTopic(broker.address, topic)).map(({ value }) => value));
      lost = acknowledged.filter((value) => !stored.has(value));
    }
    await producer.disconnect();
    expect(lost).not.toEqual([]);
  }, 180_000);
});
