/** Nothing is left out, nothing overtakes what has the same key, whatever order transactions commit in. */
import { until } from '../../client/until.js';
import { keysApart, numbered, Outbox } from './outbox.js';

let outbox: Outbox;

beforeEach(async () => {
  outbox = await Outbox.create();
});

afterEach(() => outbox.close());

test('what is appended arrives with its headers, in order, and leaves the table', async () => {
  await outbox.append(
    { id: 'a', topic: 't', key: 'k', payload: { n: 1 }, headers: { own: 'x', ce_type: 'paid' } },
    { id: 'b', topic: 't', payload: null },
  );
  await outbox.relay();
  await outbox.drained();
  const records = outbox.broker.batches.flat();
  const [a, b] = ['k', null].map((key) => records.find((record) => record.key === key));
  expect(a).toMatchObject({ topic: 't', key: 'k', payload: '{"n":1}' });
  expect(JSON.parse(a!.headers)).toEqual({
    'content-type': 'application/json',
    ce_id: 'a',
    ce_partitionkey: 'k',
    ce_source: 'urn:test',
    ce_specversion: '1.0',
    ce_time: expect.stringMatching(/^\d{4}-.*Z$/) as string,
    ce_type: 'paid',
    own: 'x',
  });
  expect(b).toMatchObject({ topic: 't', key: null, payload: 'null' });
  expect(JSON.parse(b!.headers)).toMatchObject({ ce_id: 'b', ce_type: 't' });
});

test('nothing of a transaction that rolls back arrives', async () => {
  await outbox.relay();
  const lost = await outbox.open();
  await lost.append(numbered(1));
  await outbox.append(numbered(2));
  await lost.end('ROLLBACK');
  await outbox.append(numbered(3));
  await outbox.drained();
  expect(outbox.broker.arrived()).toEqual([2, 3]);
});

test('a lower id that is committed after a higher one was sent is not lost', async () => {
  await outbox.relay();
  const late = await outbox.open();
  await late.append(numbered(1, 'k'));
  await outbox.append(numbered(2, 'k'));
  await until('the higher id has arrived', () => Promise.resolve(outbox.broker.arrived().length === 1));
  await late.end('COMMIT');
  await outbox.drained();
  expect(outbox.broker.arrived()).toEqual([2, 1]);
});

test('a lower id that is committed while a higher one is at the broker goes before later rows of its key', async () => {
  const { broker, pool } = outbox;
  const late = await outbox.open();
  await late.append(numbered(1, 'k'));
  const large = { topic: 't', key: 'k', payload: 'x'.repeat(250_000) };
  await outbox.append(large, large, large, large, numbered(2, 'k'));
  const lock = await pool.connect();
  await lock.query('BEGIN');
  await lock.query('SELECT FROM tercet_outbox FOR UPDATE');
  broker.hold();
  await outbox.relay({ leaseMs: 60_000 });
  const first = await broker.next();
  first.release();
  const second = await broker.next();
  expect(second.records.at(-1)?.payload).toBe('2');
  // The next read waits until the first batch is removed.
  await late.end('COMMIT');
  await outbox.append(numbered(3, 'k'));
  await lock.query('COMMIT');
  lock.release();
  await until('the first batch is removed', async () => (await outbox.count()) === 4);
  broker.letPass();
  second.release();
  await outbox.drained();
  expect(broker.arrived().filter((payload) => typeof payload === 'number')).toEqual([2, 1, 3]);
});

test('a row that is committed while others of its bucket are removed is not removed with them', async () => {
  const { broker } = outbox;
  await outbox.relay();
  const late = await outbox.open();
  await late.append(numbered(1, 'k'));
  broker.hold();
  await outbox.append(numbered(2, 'k'));
  const first = await broker.next();
  await late.end('COMMIT');
  broker.letPass();
  first.release();
  await outbox.drained();
  expect(broker.arrived()).toEqual([2, 1]);
});

test('what fails goes again from the start, before what was read meanwhile', async () => {
  const { broker } = outbox;
  const numbers = Array.from({ length: 700 }, (_, n) => n);
  await outbox.append(...numbers.map((n) => numbered(n)));
  broker.hold();
  const relay = await outbox.relay();
  const first = await broker.next();
  first.release(new Error('the broker is away'));
  const again = await broker.next();
  expect(again.records).toEqual(first.records);
  broker.letPass();
  again.release();
  await outbox.drained();
  expect(broker.arrived()).toEqual(numbers);
  expect(relay.status).toMatchObject({ broker: null, tally: { sent: 700, batches: 2, failures: 1 } });
});

test('a long queue of one bucket holds up no other', async () => {
  const { broker } = outbox;
  const [, hot = '', cold = ''] = keysApart(3);
  await outbox.append(...Array.from({ length: 3000 }, (_, n) => numbered(n, hot)));
  broker.hold();
  await outbox.relay();
  const first = await broker.next();
  await outbox.append(numbered(-1, cold));
  first.release();
  // This one may have been read before.
  const second = await broker.next();
  second.release();
  const third = await broker.next();
  broker.letPass();
  third.release();
  expect([...second.records, ...third.records].map(({ key }) => key)).toContain(cold);
  await outbox.drained();
  expect(broker.arrived({ key: hot })).toEqual(Array.from({ length: 3000 }, (_, n) => n));
});

test('several lanes keep the order of each key, and share out the buckets', async () => {
  const { broker } = outbox;
  const keys = keysApart(20);
  await outbox.append(...Array.from({ length: 4000 }, (_, n) => numbered(n, keys[n % 20])));
  await outbox.relay({ lanes: 3 });
  await outbox.drained();
  for (const [index, key] of keys.entries()) {
    expect(broker.arrived({ key })).toEqual(Array.from({ length: 200 }, (_, n) => n * 20 + index));
  }
});

test('a batch has at most 500 messages and 900 kB, and a message that is larger than that goes alone', async () => {
  const { broker } = outbox;
  const large = 'x'.repeat(200_000);
  await outbox.append(...Array.from({ length: 10 }, () => ({ topic: 't', key: 'k', payload: large })));
  await outbox.append(...Array.from({ length: 700 }, (_, n) => numbered(n)));
  await outbox.pool.query(
    `INSERT INTO tercet_outbox (bucket, message_id, topic, key, payload, headers)
     SELECT bucket, 'huge', 't', 'k', to_json(repeat('x', 1000000))::text, '{}' FROM tercet_outbox LIMIT 1`,
  );
  await outbox.append(numbered(700));
  await outbox.relay();
  await outbox.drained();
  expect(broker.batches.map(({ length }) => length).slice(0, 2)).toEqual([4, 4]);
  expect(Math.max(...broker.batches.map(({ length }) => length))).toBe(500);
  expect(broker.batches.find((batch) => batch.some(({ payload }) => payload.length > 900_000))).toHaveLength(1);
  expect(broker.arrived().slice(10, 710)).toEqual(Array.from({ length: 700 }, (_, n) => n));
  expect(broker.arrived().at(-1)).toBe(700);
});
