/** A service's own outbox, as the SDK gives it: appended in its transaction, sent by its relay to a real Kafka. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { installOutbox, outbox, TercetOutbox1763683200001 } from '../../src/client/index.js';
import type { Executor } from '../../src/client/index.js';
import { startRelay } from '../../src/client/kafka/index.js';
import { clientOf, createTopic, kafkaBrokers, readTopic, withKafka } from '../support/kafka.js';
import { createDatabase } from '../support/postgres.js';
import type { TestDatabase } from '../support/postgres.js';
import { until } from './until.js';

const KIND = ['TypeORM', 'pg'] as const;
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const failure = new Error('sold out');

let database: TestDatabase;
let pool: pg.Pool;
let source: DataSource;

beforeEach(async () => {
  database = await createDatabase();
  pool = new pg.Pool({ connectionString: database.url }).on('error', () => undefined);
  source = await new DataSource({
    type: 'postgres',
    url: database.url,
    migrations: [TercetOutbox1763683200001],
  }).initialize();
});
afterEach(async () => {
  await source.destroy();
  await pool.end();
  await database.drop();
});

/** With its tables. */
async function transactions(kind: (typeof KIND)[number]) {
  if (kind === 'TypeORM') {
    await source.runMigrations();
    return <T>(work: (executor: Executor) => Promise<T>): Promise<T> => source.transaction((manager) => work(manager));
  }
  const client = await pool.connect();
  await installOutbox(client).finally(() => client.release());
  return async <T>(work: (executor: Executor) => Promise<T>): Promise<T> => {
    const open = await pool.connect();
    try {
      await open.query('BEGIN');
      const result = await work(open);
      await open.query('COMMIT');
      return result;
    } catch (error) {
      await open.query('ROLLBACK');
      throw error;
    } finally {
      open.release();
    }
  };
}

const rows = async (): Promise<{ message_id: string; headers: Record<string, string> }[]> => {
  const found = await pool.query<{ message_id: string; headers: string }>(
    'SELECT message_id, headers FROM tercet_outbox ORDER BY id',
  );
  return found.rows.map((row) => ({ ...row, headers: JSON.parse(row.headers) as Record<string, string> }));
};

test('what would commit by itself is refused: a pool, a DataSource and its own manager', async () => {
  const orders = outbox({ source: 'urn:shop:order' });
  for (const executor of [pool, source, source.manager]) {
    await expect(orders.append(executor, { topic: 'order-paid', payload: 1 })).rejects.toThrow(TypeError);
  }
});

describe.each(KIND)('with %s', (kind) => {
  test('what is appended stands there if its transaction commits, and not if it does not', async () => {
    const transaction = await transactions(kind);
    const orders = outbox({ source: 'urn:shop:order' });
    const paid = { topic: 'order-paid', key: 'order-17', payload: { amount: 300 } };
    const ids = await transaction((executor) => orders.append(executor, [paid, { ...paid, id: 'own' }]));
    const failing = transaction(async (executor) => {
      await orders.append(executor, paid);
      throw failure;
    });
    await expect(failing).rejects.toBe(failure);
    expect((await rows()).map((row) => row.message_id)).toEqual(ids);
    expect(ids).toEqual([expect.any(String), 'own']);
  });

  test('who says so is said once, and the trace context is asked for each time', async () => {
    const transaction = await transactions(kind);
    const contexts = [TRACE, undefined];
    const orders = outbox({ source: 'urn:shop:order', traceparent: () => contexts.shift() });
    for (const id of ['first', 'second']) {
      await transaction((executor) => orders.append(executor, { id, topic: 'order-paid', payload: null }));
    }
    const [first, second] = await rows();
    expect(first?.headers).toMatchObject({ ce_id: 'first', ce_source: 'urn:shop:order', traceparent: TRACE });
    expect(second?.headers).not.toHaveProperty('traceparent');
  });

  test('a message out of bounds is named by its field, and nothing is written', async () => {
    const transaction = await transactions(kind);
    const orders = outbox({ source: 'urn:shop:order' });
    const good = { topic: 'order-paid', payload: 1 };
    const bad = transaction((executor) => orders.append(executor, [good, { topic: 'a b', payload: 1 }]));
    await expect(bad).rejects.toThrow(/messages\[1\]\.topic/);
    expect(await rows()).toEqual([]);
  });
});

test('a source that says nothing is refused at once', () => {
  expect(() => outbox({ source: ' ' })).toThrow('source: consumers must see who says so');
});

test('without its tables a relay does not start, and says which is missing', async () => {
  const kafka = clientOf('127.0.0.1:1');
  await expect(startRelay({ kafka, pool })).rejects.toThrow('tercet_outbox');
});

withKafka()('with Kafka', () => {
  test('two relays send each message, those of a key in their order, and stop', async () => {
    const brokers = await kafkaBrokers();
    const topic = await createTopic(brokers, { partitions: 2 });
    const transaction = await transactions('pg');
    const orders = outbox({ source: 'urn:shop:order' });
    const relays = await Promise.all([1, 2].map(() => startRelay({ kafka: clientOf(brokers), pool, leaseMs: 5000 })));
    const keys = [randomUUID(), randomUUID(), randomUUID()];
    for (let n = 0; n < 10; n += 1) {
      await transaction((executor) =>
        orders.append(
          executor,
          keys.map((key) => ({ topic, key, payload: n })),
        ),
      );
    }
    for (const relay of relays) relay.wake();
    for (const relay of relays) await until('all is sent', async () => (await relay.depth()).rows === 0);
    for (const relay of relays) await relay.stop();
    const all = await readTopic(brokers, topic, 30);
    // A repeat is known by its id.
    const read = [...new Map(all.map((message) => [message.headers['ce_id'], message])).values()];
    for (const key of keys) {
      expect(read.filter((message) => message.key === key).map(({ value }) => Number(value))).toEqual(
        Array.from({ length: 10 }, (_, n) => n),
      );
    }
    expect(read[0]?.headers).toMatchObject({ ce_type: topic, ce_source: 'urn:shop:order', ce_specversion: '1.0' });
  }, 120_000);
});
