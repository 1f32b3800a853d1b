/** Messages take effect once although consumers and brokers die, freeze and come back (G9). */
import { jest } from '@jest/globals';
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Consumption } from '../../src/client/kafka/index.js';
import { caughtUp, ConsumingService, groupIdOf, takeEffect } from '../client/consuming.js';
import { until } from '../client/until.js';
import { kafkaBrokers, startBroker, withKafka, withOwnBroker } from '../support/kafka.js';
import type { Broker } from '../support/kafka.js';

// A broker of one's own takes its time to start, and so does a member that died to be missed.
jest.setTimeout(180_000);

const program = fileURLToPath(new URL('consumer-process.js', import.meta.url));
/** The shortest that a broker allows: a member that died is missed after it. */
const consumer = { sessionTimeout: 6000 };

withKafka()('a consumer', () => {
  let service: ConsumingService;
  let topic: string;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    service = await ConsumingService.start(await kafkaBrokers());
  });
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await service.close();
  });
  beforeEach(() => service.clear());

  /** Resolves when the process is where it halts. */
  async function startProcess(groupId: string, haltAt: 'begun' | 'committed'): Promise<ChildProcess> {
    const { brokers, database } = service;
    const child = fork(program, [JSON.stringify({ brokers, database: database.url, topic, groupId, haltAt })]);
    children.push(child);
    await new Promise<void>((resolve, reject) => {
      child.on('message', (moment) => moment === haltAt && resolve());
      child.once('exit', (code) => reject(new Error(`the consumer ended with ${String(code)}`)));
    });
    return child;
  }

  /** Null: none. */
  async function committedOffset(groupId: string): Promise<string | undefined> {
    const admin = service.kafka.admin();
    await admin.connect();
    const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
    await admin.disconnect();
    return found?.partitions[0]?.offset;
  }

  test('that is killed between the commit of the database and that of the offset has handled the message', async () => {
    topic = await service.topic();
    const groupId = groupIdOf();
    await service.send(topic, { value: '1', key: 'k' }, { value: '2', key: 'k' });
    const child = await startProcess(groupId, 'committed');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await service.effects()).toHaveLength(1);
    expect(await committedOffset(groupId)).toBe('-1');
    const handled: unknown[] = [];
    const next = service.consume(topic, {
      groupId,
      consumer,
      handler: async (message) => {
        handled.push(message.payload);
        await takeEffect(message);
      },
    });
    await caughtUp(next);
    expect(handled).toEqual([2]);
    expect((await service.effects()).map(({ payload }) => payload)).toEqual([1, 2]);
  });

  test('that freezes within a transaction keeps its message to itself until it is thawed or gone', async () => {
    topic = await service.topic();
    const groupId = groupIdOf();
    await service.send(topic, { value: '1', key: 'k' }, { value: '2', key: 'k' });
    const child = await startProcess(groupId, 'begun');
    child.kill('SIGSTOP');
    const next = service.consume(topic, { groupId, consumer, retry: { attempts: 1, baseMs: 20 } });
    await until(
      'the next one waits for it',
      async () => next.status().waiting[0]?.error.startsWith('MessageBusy') ?? false,
    );
    child.kill('SIGCONT');
    child.send('go on');
    await caughtUp(next);
    expect((await service.effects()).map(({ payload }) => payload)).toEqual([1, 2]);
    child.kill('SIGTERM');
    await once(child, 'exit');
    expect(child.exitCode).toBe(0);
  });

  test('that joins while a handler is at work takes its share; nothing is done twice or out of order', async () => {
    topic = await service.topic(4);
    const groupId = groupIdOf();
    const keys = Array.from({ length: 12 }, (_, n) => `key-${n}`);
    const send = async (from: number, to: number): Promise<void> => {
      for (let n = from; n < to; n += 1) await service.send(topic, ...keys.map((key) => ({ key, value: String(n) })));
    };
    await send(0, 3);
    let goOn = (): void => undefined;
    const mayGoOn = new Promise<void>((resolve) => (goOn = resolve));
    let begun = false;
    const handledBy = { first: 0, second: 0 };
    const as = (name: keyof typeof handledBy): Consumption =>
      service.consume(topic, {
        groupId,
        handler: async (message) => {
          begun = true;
          await mayGoOn;
          handledBy[name] += 1;
          await takeEffect(message);
        },
      });
    const first = as('first');
    await until('a handler is at work', async () => begun);
    const second = as('second');
    const admin = service.kafka.admin();
    await admin.connect();
    await until('the group is rebalancing', async () => {
      const { groups } = await admin.describeGroups([groupId]);
      return groups[0]?.state === 'PreparingRebalance';
    });
    await admin.disconnect();
    goOn();
    await until('both have joined', async () => [first, second].every(({ status }) => status().state === 'running'));
    await send(3, 10);
    await caughtUp(first);
    const effects = await service.effects();
    const inOrder = Array.from({ length: 10 }, (_, n) => n);
    for (const key of keys) {
      expect(effects.filter((effect) => effect.key === key).map(({ payload }) => payload)).toEqual(inOrder);
    }
    expect(handledBy.first + handledBy.second).toBe(120);
    expect(Math.min(handledBy.first, handledBy.second)).toBeGreaterThan(0);
  });

  test('that is stopped in the middle ends its message, commits it, and leaves the rest', async () => {
    topic = await service.topic();
    const groupId = groupIdOf();
    let goOn = (): void => undefined;
    const mayGoOn = new Promise<void>((resolve) => (goOn = resolve));
    let begun = 0;
    await service.send(topic, { value: '1' }, { value: '2' });
    const { stop } = service.consume(topic, {
      groupId,
      handler: async (message) => {
        begun += 1;
        await mayGoOn;
        await takeEffect(message);
      },
    });
    await until('a handler is at work', async () => begun === 1);
    const stopped = stop();
    goOn();
    await stopped;
    expect((await service.effects()).map(({ payload }) => payload)).toEqual([1]);
    expect(await committedOffset(groupId)).toBe('1');
  });

  test('without its database waits for it, and counts nothing against the message', async () => {
    const own = await ConsumingService.start(service.brokers);
    const name = new URL(own.database.url).pathname.slice(1);
    const open = (isOpen: boolean): Promise<unknown> =>
      service.pool.query(`UPDATE pg_database SET datallowconn = $1 WHERE datname = $2`, [isOpen, name]);
    try {
      topic = await own.topic();
      const { status } = own.consume(topic);
      await own.send(topic, { value: '1' });
      await own.effectsOf(1);
      await open(false);
      await service.pool.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
      await own.send(topic, { value: '2' });
      await until('it failed more often than a message may', async () => (status().waiting[0]?.failures ?? 0) > 4);
      await open(true);
      await own.effectsOf(2);
    } finally {
      await open(true);
      await own.close();
    }
  });
});

withOwnBroker()('a consumer whose broker', () => {
  let broker: Broker;
  let service: ConsumingService;

  beforeAll(async () => {
    broker = await startBroker();
    service = await ConsumingService.start(broker.address);
  });
  afterAll(async () => {
    await service.close();
    await broker.stop();
  });

  test('is killed and started again goes on, and has lost and repeated nothing', async () => {
    const topic = await service.topic(2);
    const numbers = (from: number): { value: string; partition: number }[] =>
      Array.from({ length: 20 }, (_, n) => ({ value: String(from + n), partition: n % 2 }));
    await service.send(topic, ...numbers(0));
    const { status } = service.consume(topic, { consumer });
    await service.effectsOf(5);
    await broker.kill();
    await until('it is missed', async () => status().state === 'restarting');
    expect(status().problem).toContain('ECONNREFUSED');
    await broker.restart();
    await service.send(topic, ...numbers(20));
    const effects = await service.effectsOf(40);
    const values = effects.map(({ payload }) => Number(payload)).sort((a, b) => a - b);
    expect(values).toEqual(Array.from({ length: 40 }, (_, n) => n));
    expect(status()).toEqual({ state: 'running', problem: null, waiting: [] });
  });
});
