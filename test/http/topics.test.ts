/** Messages to Kafka: what stands in the outbox with the decision, and how it arrives. */
import pg from 'pg';
import type { Problem } from '../../src/protocol/words.js';
import { json } from '../participants/service.js';
import { createTopic, kafkaBrokers, readTopic, withKafka } from '../support/kafka.js';
import { TestNode } from './node.js';

const CHECK = { component: 'order', afterMs: 600_000 };

withKafka()('with a broker', () => {
  let node: TestNode;
  let brokers: string;

  beforeAll(async () => {
    brokers = await kafkaBrokers();
    node = await TestNode.start({ KAFKA_BROKERS: brokers });
    await node.component('order');
  });

  afterAll(() => node.stop());

  const half = (gid: string, deliveries: readonly object[], over: object = {}, headers = {}) =>
    node.post('/v1/transactions', { mode: 'message', gid, check: CHECK, deliveries, ...over }, headers);
  const submit = (gid: string) => node.post(`/v1/transactions/${gid}/submit`, { wait: 'settled' });

  test('a committed message arrives with its key, its payload and the headers of CloudEvents', async () => {
    const topic = await createTopic(brokers, { partitions: 3 });
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    const headers = { ce_type: 'shop.order.paid', ce_subject: 'o-1', mine: 'yes' };
    const points = { branchId: 'points', topic, key: 'o-1', headers, payload: { cents: 5990, note: 'é' } };
    await half('paid', [points], {}, { traceparent });
    const { body } = await submit('paid');
    expect(body).toMatchObject({
      status: 'committed',
      branches: [{ branchId: 'points', component: null, topic, key: 'o-1', state: 'queued', reply: null }],
    });
    const [record] = await readTopic(brokers, topic, 1);
    expect([record?.key, JSON.parse(record?.value ?? '')]).toEqual(['o-1', { cents: 5990, note: 'é' }]);
    expect(record?.headers).toEqual({
      ...headers,
      ce_specversion: '1.0',
      ce_id: 'paid/points',
      ce_source: 'urn:tercet',
      ce_time: body.decidedAt,
      ce_partitionkey: 'o-1',
      ce_gid: 'paid',
      ce_branchid: 'points',
      'content-type': 'application/json',
      traceparent,
    });
  });

  test('a rolled-back one does not, and messages of one key arrive in the order of their decisions', async () => {
    const topic = await createTopic(brokers);
    const gids = Array.from({ length: 20 }, (_, n) => `in-order-${n}`);
    await Promise.all([...gids, 'never'].map((gid) => half(gid, [{ branchId: 'a', topic, key: 'k', payload: gid }])));
    await node.post('/v1/transactions/never/abort', { wait: 'settled' });
    // Neither as they were begun nor by their names.
    const shuffled = gids.map((_, n) => gids[(n * 7 + 3) % gids.length] ?? '');
    for (const gid of shuffled) await submit(gid);
    const records = await readTopic(brokers, topic, gids.length);
    expect(records.map(({ value }) => JSON.parse(value ?? '') as string)).toEqual(shuffled);
  });

  test('topics and components in one message, and what the check decides, arrive too', async () => {
    const topic = await createTopic(brokers);
    node.participant.answer = json(null);
    const deliveries = [
      { branchId: 'a', topic, payload: 1 },
      { branchId: 'b', component: 'order' },
      { branchId: 'c', topic, payload: 2 },
    ];
    await half('mixed', deliveries);
    expect((await submit('mixed')).body.branches.map(({ state }) => state)).toEqual(['queued', 'delivered', 'queued']);
    await half('mixed-by-check', deliveries, { check: { ...CHECK, afterMs: 1 } });
    const { body } = await node.get('/v1/transactions/mixed-by-check?wait=settled');
    expect(body.branches.map(({ state }) => state)).toEqual(['queued', 'delivered', 'queued']);
    const records = await readTopic(brokers, topic, 4);
    // Without a key they come in any order.
    expect(records.map(({ headers }) => headers['ce_id']).sort()).toEqual([
      'mixed-by-check/a',
      'mixed-by-check/c',
      'mixed/a',
      'mixed/c',
    ]);
  });

  test('deliverAt: nothing stands in the outbox before', async () => {
    const topic = await createTopic(brokers);
    const deliverAt = new Date(Date.now() + 600).toISOString();
    await half('later', [{ branchId: 'a', topic }], { deliverAt });
    const decided = await node.post('/v1/transactions/later/submit', {});
    expect(decided.body.branches).toMatchObject([{ state: 'waiting' }]);
    await node.get('/v1/transactions/later?wait=settled');
    const [record] = await readTopic(brokers, topic, 1);
    expect(record?.headers['ce_id']).toBe('later/a');
  });
});

describe('a broker that is away', () => {
  let node: TestNode;
  let admin: pg.Client;

  beforeAll(async () => {
    node = await TestNode.start({ KAFKA_BROKERS: '127.0.0.1:1' });
    await node.component('order');
    admin = new pg.Client({ connectionString: node.databaseUrl });
    await admin.connect();
  });

  afterAll(async () => {
    await admin.end();
    await node.stop();
  });

  const queued = async (gid: string) =>
    (
      await admin.query<{ message_id: string }>(
        'SELECT message_id FROM tercet.outbox WHERE message_id LIKE $1 ORDER BY id',
        [`${gid}/%`],
      )
    ).rows.map(({ message_id }) => message_id);

  test('delays messages and nothing else: begins and decisions go on, what was committed waits in the outbox', async () => {
    const deliveries = ['a', 'b'].map((branchId) => ({ branchId, topic: 't', key: 'k' }));
    for (const gid of ['waits', 'dropped']) {
      await node.post('/v1/transactions', { mode: 'message', gid, check: CHECK, deliveries });
      expect(await queued(gid)).toEqual([]);
    }
    const { status, body } = await node.post('/v1/transactions/waits/submit', { wait: 'settled' });
    expect([status, body.status]).toEqual([200, 'committed']);
    await node.post('/v1/transactions/dropped/abort', { wait: 'settled' });
    expect([await queued('waits'), await queued('dropped')]).toEqual([['waits/a', 'waits/b'], []]);
    expect((await node.get('/health/ready')).status).toBe(200);
  });

  test('of a submit and an abort at the same time one wins, and only a commit leaves something behind', async () => {
    for (let round = 0; round < 20; round += 1) {
      const gid = `race-${round}`;
      const deliveries = [{ branchId: 'a', topic: 't' }];
      await node.post('/v1/transactions', { mode: 'message', gid, check: CHECK, deliveries });
      const answers = await Promise.all(
        ['submit', 'abort'].map((what) => node.post<Problem>(`/v1/transactions/${gid}/${what}`, { wait: 'settled' })),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
      expect(await queued(gid)).toEqual(answers[0]?.status === 200 ? [`${gid}/a`] : []);
    }
  });
});
