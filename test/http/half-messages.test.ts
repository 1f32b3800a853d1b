/** Half messages that come through Kafka: docs/wire.md, section 8. */
import type { IHeaders, Producer } from 'kafkajs';
import type { Problem, TransactionView } from '../../src/protocol/words.js';
import { json } from '../participants/service.js';
import { clientOf, createTopic, kafkaBrokers, readTopic, withKafka } from '../support/kafka.js';
import { TestNode } from './node.js';

withKafka()('half messages through Kafka', () => {
  let node: TestNode;
  let brokers: string;
  let requests: string;
  let producer: Producer;

  beforeAll(async () => {
    brokers = await kafkaBrokers();
    requests = await createTopic(brokers, { partitions: 2 });
    node = await TestNode.start({ KAFKA_BROKERS: brokers, TERCET_HALF_TOPIC: requests });
    node.participant.answer = json(null);
    await node.component('order');
    producer = clientOf(brokers).producer();
    await producer.connect();
  });

  afterAll(async () => {
    await producer.disconnect();
    await node.stop();
  });

  const half = (topic: string) => ({
    mode: 'message',
    check: { component: 'order', afterMs: 600_000 },
    deliveries: [{ branchId: 'a', topic, key: 'k', payload: 7 }],
  });
  const ask = (gid: string, op: string, body: unknown, headers: IHeaders = {}) =>
    producer.send({
      topic: requests,
      messages: [
        { key: gid, value: JSON.stringify(body), headers: { 'tercet-gid': gid, 'tercet-op': op, ...headers } },
      ],
    });

  test('begun, committed and delivered, each step acknowledged to who asked', async () => {
    const [events, replies] = await Promise.all([createTopic(brokers), createTopic(brokers)]);
    const to = (correlation: string) => ({ 'tercet-reply-to': replies, 'tercet-correlation': correlation });
    await ask('through', 'begin', half(events), to('1'));
    await ask('through', 'submit', {}, to('2'));
    const acknowledged = await readTopic(brokers, replies, 2);
    expect(acknowledged.map(({ key, headers }) => [key, headers])).toEqual(
      [
        ['begin', '1'],
        ['submit', '2'],
      ].map(([op, correlation]) => [
        'through',
        {
          'content-type': 'application/json',
          'tercet-gid': 'through',
          'tercet-op': op,
          'tercet-correlation': correlation,
          'tercet-status': '202',
        },
      ]),
    );
    const views = acknowledged.map(({ value }) => JSON.parse(value ?? '') as TransactionView);
    expect(views.map(({ status }) => status)).toEqual(['open', 'committed']);
    expect((await readTopic(brokers, events, 1)).map(({ value }) => value)).toEqual(['7']);
  });

  test('a record that comes again is the same request, whichever way it came first; an abort delivers nothing', async () => {
    const [events, replies] = await Promise.all([createTopic(brokers), createTopic(brokers)]);
    const body = half(events);
    expect((await node.post('/v1/transactions', { ...body, gid: 'again' })).status).toBe(202);
    for (const op of ['begin', 'abort', 'abort', 'begin']) {
      await ask('again', op, op === 'begin' ? body : { reason: 'no' }, { 'tercet-reply-to': replies });
    }
    const acknowledged = await readTopic(brokers, replies, 4);
    const statuses = acknowledged.map(({ value }) => (JSON.parse(value ?? '') as TransactionView).status);
    expect(statuses).toEqual(['open', 'aborted', 'aborted', 'aborted']);
    expect(await readTopic(brokers, events)).toEqual([]);
  });

  test('what is refused is answered with its problem, and holds up nothing that comes after it', async () => {
    const [events, replies] = await Promise.all([createTopic(brokers), createTopic(brokers)]);
    const to = { 'tercet-reply-to': replies };
    await producer.send({ topic: requests, messages: [{ key: 'bad', value: 'no JSON', headers: {} }] });
    await ask('bad', 'begin', { ...half(events), deliveries: [] }, to);
    await ask('bad', 'delete', {}, to);
    await ask('bad', 'submit', {}, to);
    await ask('bad', 'begin', half(events), to);
    await ask('bad', 'submit', { by: 'operator', reason: 'me' }, to);
    // Nobody can be told, for that topic is not there.
    await ask('bad', 'abort', {}, { 'tercet-reply-to': `${replies}-not` });
    await ask('bad', 'submit', {}, to);
    const told = (await readTopic(brokers, replies, 6)).map(({ headers, value }) => {
      const { code } = JSON.parse(value ?? '') as Partial<Problem>;
      return [headers['tercet-status'], code];
    });
    expect(told).toEqual([
      ['400', 'TERCET_REQUEST_INVALID'],
      ['400', 'TERCET_REQUEST_INVALID'],
      ['404', 'TERCET_TRANSACTION_UNKNOWN'],
      ['202', undefined],
      ['400', 'TERCET_REQUEST_INVALID'],
      ['409', 'TERCET_TRANSACTION_DECIDED'],
    ]);
  });

  test('acknowledgements that are too long together, or one that is too long alone, hold up nothing', async () => {
    const replies = await createTopic(brokers, { config: { 'max.message.bytes': '1500' } });
    const to = (correlation: string) => ({ 'tercet-reply-to': replies, 'tercet-correlation': correlation });
    const asked = (gid: string, correlation: string) => ({
      key: 'one partition',
      value: '{}',
      headers: { 'tercet-gid': gid, 'tercet-op': 'submit', ...to(correlation) },
    });
    const corrs = ['1', '2', '3', 'x'.repeat(2000), '4', '5'];
    await producer.send({ topic: requests, messages: corrs.map((corr, n) => asked(`long-${n}`, corr)) });
    const told = (await readTopic(brokers, replies, 5)).map(({ headers }) => headers['tercet-correlation']);
    expect(new Set(told)).toEqual(new Set(['1', '2', '3', '4', '5']));
  });
});
