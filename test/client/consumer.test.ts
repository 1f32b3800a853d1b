/** A message takes effect once, in order, and one that cannot holds up nobody else (G9), on a real broker. */
import { Refused } from '../../src/client/index.js';
import { consume, DEAD_LETTER, inbox } from '../../src/client/kafka/index.js';
import { kafkaBrokers, readTopic, withKafka } from '../support/kafka.js';
import { caughtUp, ConsumingService, groupIdOf, takeEffect } from './consuming.js';
import { until } from './until.js';

const json = (value: unknown): string => JSON.stringify(value);

withKafka()('a consumer', () => {
  let service: ConsumingService;
  let topic: string;

  beforeAll(async () => {
    service = await ConsumingService.start(await kafkaBrokers());
  });
  afterAll(() => service.close());
  beforeEach(async () => {
    await service.clear();
    topic = await service.topic();
  });

  test('is given what the message says: key, payload, headers, and who sent it when', async () => {
    const seen: unknown[] = [];
    const { stop } = service.consume(topic, { handler: ({ manager: _, ...message }) => void seen.push(message) });
    const headers = {
      ce_id: 'tx-1/points',
      ce_gid: 'tx-1',
      ce_branchid: 'points',
      ce_time: '2026-01-02T03:04:05.678Z',
    };
    await service.send(topic, { key: 'order-17', value: json({ points: 3 }), headers }, { value: null });
    await until('both came', async () => seen.length === 2);
    await stop();
    const place = { topic, partition: 0 };
    const at = new Date('2026-01-02T03:04:05.678Z');
    const given = { id: 'tx-1/points', offset: '0', key: 'order-17', payload: { points: 3 }, headers, at };
    expect(seen).toEqual([
      { ...place, ...given, gid: 'tx-1', branchId: 'points' },
      {
        ...place,
        ...{ id: `${topic}/0/1`, offset: '1', key: null, payload: null, headers: {}, gid: null, branchId: null },
        at: expect.any(Date),
      },
    ]);
  });

  test('handles a message once, however often it is sent', async () => {
    const message = { key: 'k', value: '1', headers: { ce_id: 'a', ce_source: 'urn:s' } };
    await service.send(topic, message, message, { ...message, headers: { ce_id: 'b', ce_source: 'urn:s' } });
    const consumption = service.consume(topic);
    await caughtUp(consumption);
    expect(await service.effects()).toHaveLength(2);
  });

  test('takes messages of two sources for two, though they have one id', async () => {
    await service.send(topic, { value: '1', headers: { ce_id: 'a', ce_source: 'urn:s' } });
    await service.send(topic, { value: '2', headers: { ce_id: 'a', ce_source: 'urn:t' } });
    await caughtUp(service.consume(topic));
    expect(await service.effects()).toHaveLength(2);
  });

  test('handles it once when its offset was never committed, and when it has no id', async () => {
    await service.send(topic, { value: '1' }, { value: '2', headers: { ce_id: 'x'.repeat(3000) } });
    const first = service.consume(topic);
    await caughtUp(first);
    await first.stop();
    const admin = service.kafka.admin();
    await admin.connect();
    await admin.setOffsets({ groupId: first.groupId, topic, partitions: [{ partition: 0, offset: '0' }] });
    await admin.disconnect();
    await service.send(topic, { value: '3' });
    await caughtUp(service.consume(topic, { groupId: first.groupId }));
    expect((await service.effects()).map(({ payload }) => payload)).toEqual([1, 2, 3]);
  });

  test('a partition that waited, went to another member and came back is consumed again', async () => {
    topic = await service.topic(2);
    const groupId = groupIdOf();
    const member = (): { partitions: number[]; stop: () => Promise<void> } => {
      const partitions: number[] = [];
      const handler = ({ partition }: { partition: number }): never => {
        partitions.push(partition);
        throw new Error('not today');
      };
      const retry = { baseMs: 600_000, capMs: 600_000 };
      return { partitions, stop: service.consume(topic, { groupId, handler, retry }).stop };
    };
    await service.send(topic, { value: '1', partition: 0 }, { value: '2', partition: 1 });
    const first = member();
    await until('both partitions wait', async () => first.partitions.length === 2);
    const second = member();
    await until('one of them moved', async () => second.partitions.length === 1);
    await second.stop();
    await until('it is back', async () => first.partitions.length === 3);
    expect(first.partitions[2]).toBe(second.partitions[0]);
  });

  test('leaves nothing of an attempt that failed, and does it again', async () => {
    let attempts = 0;
    await service.send(topic, { value: '1', key: 'k' }, { value: '2', key: 'k' });
    const consumption = service.consume(topic, {
      handler: async (message) => {
        await takeEffect(message);
        if (message.payload === 1 && ++attempts < 3) throw new Error('not today');
      },
    });
    await caughtUp(consumption);
    expect((await service.effects()).map(({ payload }) => payload)).toEqual([1, 2]);
    expect(attempts).toBe(3);
    expect((await service.pool.query('SELECT FROM tercet_inbox_failed WHERE topic = $1', [topic])).rowCount).toBe(0);
  });

  test('ends an attempt that takes too long, with all that it wrote, and does it again', async () => {
    let attempts = 0;
    await service.send(topic, { value: '1' });
    const consumption = service.consume(topic, {
      timeoutMs: 50,
      handler: async (message) => {
        await takeEffect(message);
        if (++attempts === 1) await new Promise(() => undefined);
      },
    });
    await caughtUp(consumption);
    expect([attempts, (await service.effects()).length]).toEqual([2, 1]);
  });

  test('does not take a message for handled whose handler hid an error of the database', async () => {
    let attempts = 0;
    await service.send(topic, { value: '1' });
    const consumption = service.consume(topic, {
      handler: async (message) => {
        await takeEffect(message);
        if (++attempts === 1) await message.manager.query('SELECT 1 / 0').catch(() => undefined);
      },
    });
    await caughtUp(consumption);
    expect([attempts, (await service.effects()).length]).toEqual([2, 1]);
  });

  describe('gives a message up', () => {
    const failing = { value: '1', key: 'k', headers: { ce_id: 'a', own: 'kept' } };
    const good = { value: '2', key: 'k' };
    const other = { value: '3', key: 'other' };
    /** The message 1 never works. */
    const handler = async (message: Parameters<typeof takeEffect>[0]): Promise<void> => {
      await takeEffect(message);
      if (message.payload === 1) throw new Error('never');
    };
    const payloads = async (): Promise<unknown[]> => (await service.effects()).map(({ payload }) => payload);
    const dead = (groupId: string, atLeast: number): ReturnType<typeof readTopic> =>
      readTopic(service.brokers, `${topic}.${groupId}.dlq`, atLeast);

    test('after its attempts: it goes to the dead-letter topic with all that is known, and its key follows it', async () => {
      await service.send(topic, failing, good, other);
      const consumption = service.consume(topic, { handler });
      await caughtUp(consumption);
      expect(await payloads()).toEqual([3]);
      const letters = await dead(consumption.groupId, 2);
      expect(letters.map(({ key, value }) => [key, value])).toEqual([
        ['k', '1'],
        ['k', '2'],
      ]);
      expect(letters[0]?.headers).toEqual({
        ce_id: 'a',
        own: 'kept',
        [DEAD_LETTER.topic]: topic,
        [DEAD_LETTER.partition]: '0',
        [DEAD_LETTER.offset]: '0',
        [DEAD_LETTER.group]: consumption.groupId,
        [DEAD_LETTER.error]: 'Error: never',
        [DEAD_LETTER.attempts]: '3',
        [DEAD_LETTER.firstFailedAt]: expect.stringMatching(/^\d{4}-.*Z$/),
      });
      expect(letters[1]?.headers).toMatchObject({ [DEAD_LETTER.attempts]: '0', [DEAD_LETTER.offset]: '1' });
    });

    test('with `skip`, later messages of its key are handled', async () => {
      await service.send(topic, failing, good, other);
      const consumption = service.consume(topic, { handler, givingUp: 'skip' });
      await caughtUp(consumption);
      expect(await payloads()).toEqual([2, 3]);
      expect(await dead(consumption.groupId, 1)).toHaveLength(1);
    });

    test('with `block`, never: its partition waits, is seen to wait, and the others go on', async () => {
      topic = await service.topic(2);
      await service.send(topic, { ...failing, partition: 0 }, { ...good, partition: 0 }, { ...other, partition: 1 });
      const consumption = service.consume(topic, { handler, givingUp: 'block' });
      await until('it failed more often than others may', async () => {
        const [waiting] = consumption.status().waiting;
        return (waiting?.failures ?? 0) > 4;
      });
      await service.send(topic, { ...other, partition: 1 });
      await service.effectsOf(2);
      expect(await payloads()).toEqual([3, 3]);
      const waiting = { topic, partition: 0, offset: '0', key: 'k', error: 'Error: never' };
      expect(consumption.status().waiting).toEqual([
        { ...waiting, failures: expect.any(Number), dueAt: expect.any(Date) },
      ]);
    });

    test('at once, if it is refused or cannot be read', async () => {
      await service.send(topic, { value: '1', key: 'a' }, { value: 'no JSON', key: 'b' }, { value: '3' });
      const consumption = service.consume(topic, {
        handler: async (message) => {
          if (message.payload === 1) throw new Refused('unknown customer');
          await takeEffect(message);
        },
      });
      await caughtUp(consumption);
      expect(await payloads()).toEqual([3]);
      const letters = await dead(consumption.groupId, 2);
      expect(letters.map(({ headers }) => [headers[DEAD_LETTER.attempts], headers[DEAD_LETTER.error]])).toEqual([
        ['1', 'Refused: refused: unknown customer'],
        ['1', expect.stringMatching(/^Refused: refused: the payload cannot be read: .*JSON/)],
      ]);
    });

    test('counting what it failed before a restart', async () => {
      let attempts = 0;
      const counting = async (message: Parameters<typeof takeEffect>[0]): Promise<void> => {
        attempts += 1;
        await handler(message);
      };
      await service.send(topic, failing, other);
      const retry = { attempts: 3, baseMs: 3_600_000, capMs: 3_600_000 };
      const groupId = groupIdOf();
      for (const failures of [1, 2]) {
        const { status, stop } = service.consume(topic, { handler: counting, retry, groupId });
        await until('it waits', async () => status().waiting[0]?.failures === failures);
        await stop();
      }
      await caughtUp(service.consume(topic, { handler: counting, retry, groupId }));
      expect(attempts).toBe(4); // the other one too
      expect((await dead(groupId, 1))[0]?.headers[DEAD_LETTER.attempts]).toBe('3');
    });

    test('and works the dead letters off later, in order, before later messages of the key', async () => {
      await service.send(topic, failing, good);
      const { groupId } = service.consume(topic, { handler });
      await dead(groupId, 2);
      const replay = service.consume(topic, { groupId, deadLetters: true });
      await caughtUp(replay);
      await service.send(topic, { value: '4', key: 'k' });
      await service.effectsOf(3);
      expect(await payloads()).toEqual([1, 2, 4]);
      expect((await service.pool.query('SELECT FROM tercet_inbox_failed WHERE topic = $1', [topic])).rowCount).toBe(0);
    });

    test('and lets its key go on without it when told so', async () => {
      await service.send(topic, failing, good);
      const { groupId } = service.consume(topic, { handler });
      await dead(groupId, 2);
      expect(await inbox.release(service.pool, { groupId, topic, key: 'k' })).toBe(2);
      await service.send(topic, { value: '4', key: 'k' });
      await service.effectsOf(1);
      expect(await payloads()).toEqual([4]);
    });
  });

  test('keeps the order of each key, over several partitions and attempts that fail', async () => {
    topic = await service.topic(3);
    const keys = ['a', 'b', 'c', 'd', 'e'];
    for (let n = 0; n < 20; n += 1) await service.send(topic, ...keys.map((key) => ({ key, value: json(n) })));
    const failed = new Set<string>();
    const consumption = service.consume(topic, {
      handler: async (message) => {
        await takeEffect(message);
        const name = `${message.key} ${String(message.payload)}`;
        if (Number(message.payload) % 7 !== 3 || failed.has(name)) return;
        failed.add(name);
        throw new Error('once');
      },
    });
    await caughtUp(consumption);
    const effects = await service.effects();
    const inOrder = Array.from({ length: 20 }, (_, n) => n);
    for (const key of keys) {
      expect(effects.filter((effect) => effect.key === key).map(({ payload }) => payload)).toEqual(inOrder);
    }
    expect(failed.size).toBe(15);
  });

  test('forgets what it was told to, and nothing else; a parked key stays parked', async () => {
    await service.pool.query(`
      INSERT INTO tercet_inbox VALUES ('g', 'old', now() - interval '8 days'), ('g', 'young', now());
      INSERT INTO tercet_inbox_failed (consumer, message_id, topic, partition, "offset", key, attempts, error, failed_at, is_parking)
      SELECT 'g', m, 't', 0, 0, 'k', 1, 'e', now() - interval '8 days', m = 'parked' FROM unnest('{stale,parked}'::text[]) m`);
    const before = new Date(Date.now() - 7 * 86_400_000);
    expect(await inbox.purge(service.pool, before)).toBe(1);
    const left = await service.pool.query(`SELECT message_id FROM tercet_inbox WHERE consumer = 'g'
      UNION ALL SELECT message_id FROM tercet_inbox_failed WHERE consumer = 'g'`);
    expect(left.rows).toEqual([{ message_id: 'young' }, { message_id: 'parked' }]);
    await expect(inbox.purge(service.pool, new Date(Date.now() + 60_000))).rejects.toThrow(RangeError);
  });

  test('says how far the group is behind, in messages and in time', async () => {
    const { groupId, lag, stop } = service.consume(topic);
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
    await service.send(topic, { value: '1', headers: { ce_time: hourAgo } });
    await service.effectsOf(1);
    await until('it has caught up', async () => (await lag())[0]?.messages === 0);
    const labels = { group: groupId, topic, partition: '0' };
    expect(await lag()).toEqual([{ labels, messages: 0, ms: 0 }]);
    await stop();
    const behind = service.consume(topic, { groupId, handler: () => ended });
    await service.send(topic, { value: '2', headers: { ce_time: hourAgo } }, { value: '3' });
    await until('two are waiting', async () => (await behind.lag())[0]?.messages === 2);
    expect((await behind.lag())[0]?.ms).toBeNull();
    end();
  });

  test('is refused where it makes no sense', () => {
    const { kafka, pool } = service;
    const options = { kafka, pool, groupId: 'g', topics: [topic], handler: () => undefined };
    expect(() => consume({ ...options, topics: [] })).toThrow('topics: give at least one');
    expect(() => consume({ ...options, groupId: 'no topic' })).toThrow('give the option deadLetterTopic');
    expect(() => consume({ ...options, concurrency: 0 })).toThrow('concurrency must be a whole number from 1');
    expect(() => consume({ ...options, retry: { attempts: 0 } })).toThrow('retry.attempts must be above 0');
    // @ts-expect-error where should it take effect?
    expect(() => consume({ ...options, pool: undefined })).toThrow('give a dataSource (TypeORM) or a pool (pg)');
  });
});
