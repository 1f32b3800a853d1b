/** The outbox over HTTP, and how a node without an answer from Kafka tells: health, metrics, diagnosis. */
import { newKey } from '../../src/http/keys.js';
import type { DeadLetterView, OutboxView } from '../../src/protocol/outbox.js';
import type { CheckView, DiagnosisView, Problem } from '../../src/protocol/words.js';
import { Scrape } from '../support/prometheus.js';
import { TestNode } from './node.js';

interface Page {
  readonly messages: DeadLetterView[];
  readonly next: string | null;
}

/** Nobody listens there. */
const NOBODY = { KAFKA_BROKERS: '127.0.0.1:1' };
const REASON = { reason: 'the topic is repaired' };

/** A dead letter as a relay leaves it. */
async function bury(node: TestNode, id: number, over: { messageId?: string; payload?: string } = {}): Promise<void> {
  const { messageId = `order-${id}/points`, payload = '{"amount":300}' } = over;
  await node.sql(
    `INSERT INTO tercet.outbox_dead (bucket, id, message_id, topic, key, payload, headers, created_at, error)
     VALUES (7, $1, $2, 'order-paid', 'order-17', $3, '{"ce_id":"x"}', now(), 'too large')`,
    [id, messageId, payload],
  );
}
const waiting = (node: TestNode): Promise<{ id: string; message_id: string }[]> =>
  node.sql('SELECT id::text, message_id FROM tercet.outbox ORDER BY id');

describe('without Kafka', () => {
  let node: TestNode;
  const warned: object[] = [];
  const anna = newKey('anna', 'operator');
  const as = { authorization: `Bearer ${anna.key}` };

  beforeAll(async () => {
    node = await TestNode.start({ TERCET_KEYS: anna.entry }, undefined, (fields) => warned.push(fields));
  });
  afterAll(() => node.stop());
  beforeEach(async () => {
    warned.length = 0;
    await node.sql('DELETE FROM tercet.outbox');
    await node.sql('DELETE FROM tercet.outbox_dead');
  });
  const get = async <T>(path: string): Promise<T> => (await node.send<T>('GET', path, undefined, as)).body;

  test('nothing waits and nobody sends; a row that is left from before is told of all the same', async () => {
    const none = { rows: 0, oldestAt: null, dead: 0, topics: [], relays: [], unownedBuckets: 64, here: null };
    expect(await get('/v1/outbox')).toEqual(none);
    await bury(node, 5);
    await node.send('POST', '/v1/outbox/dead/5/requeue', REASON, as);
    const time = expect.stringMatching(/Z$/);
    const left = { rows: 1, oldestAt: time, topics: [{ topic: 'order-paid', rows: 1, oldestAt: time }] };
    expect(await get<OutboxView>('/v1/outbox')).toMatchObject(left);
  });

  test('dead letters come page by page in the order of their ids, with what Kafka said and without their payload', async () => {
    for (const id of [9, 3, 100]) await bury(node, id);
    const first = await get<Page>('/v1/outbox/dead?limit=2');
    expect(first.messages.map(({ id }) => id)).toEqual(['3', '9']);
    const second = await get<Page>(`/v1/outbox/dead?limit=2&after=${first.next}`);
    expect([second.messages.map(({ id }) => id), second.next]).toEqual([['100'], null]);
    expect(first.messages[0]).toEqual({
      id: '3',
      messageId: 'order-3/points',
      topic: 'order-paid',
      key: 'order-17',
      error: 'too large',
      bytes: 14,
      createdAt: expect.stringMatching(/Z$/),
      failedAt: expect.stringMatching(/Z$/),
    });
  });

  test('one is put back at its place with its old id, or at the end with a new one, and who said so is logged', async () => {
    for (const id of [3, 4]) await bury(node, id);
    const place = await node.send('POST', '/v1/outbox/dead/4/requeue', { ...REASON, at: 'place' }, as);
    const end = await node.send('POST', '/v1/outbox/dead/3/requeue', REASON, as);
    expect([place, end]).toMatchObject([
      { status: 200, body: { id: '4' } },
      { status: 200, body: { id: '3' } },
    ]);
    const rows = await waiting(node);
    expect(rows.find(({ message_id: id }) => id === 'order-4/points')?.id).toBe('4');
    expect(rows.find(({ message_id: id }) => id === 'order-3/points')?.id).not.toBe('3');
    expect((await get<Page>('/v1/outbox/dead')).messages).toEqual([]);
    expect(warned).toMatchObject([
      { order: 'requeue at its place', who: 'anna', ...REASON, id: '4' },
      { order: 'requeue at its end', who: 'anna', ...REASON, id: '3' },
    ]);
  });

  test('one is dropped with a reason, which is logged, and not without', async () => {
    await bury(node, 3);
    expect((await node.send<Problem>('DELETE', '/v1/outbox/dead/3', undefined, as)).body.code).toBe(
      'TERCET_REQUEST_INVALID',
    );
    expect((await get<OutboxView>('/v1/outbox')).dead).toBe(1);
    expect((await node.send('DELETE', '/v1/outbox/dead/3?reason=by+hand', undefined, as)).status).toBe(204);
    expect([await get<OutboxView>('/v1/outbox'), await waiting(node)]).toMatchObject([{ dead: 0 }, []]);
    expect(warned).toMatchObject([{ order: 'drop', who: 'anna', reason: 'by hand', id: '3', topic: 'order-paid' }]);
  });

  test.each(['1', '0', '-1', 'x', '9999999999999999999999', '3%2f4'])('no dead letter %s: 404', async (id) => {
    await bury(node, 3);
    const asked = [
      await node.send<Problem>('POST', `/v1/outbox/dead/${id}/requeue`, REASON, as),
      await node.send<Problem>('DELETE', `/v1/outbox/dead/${id}?reason=x`, undefined, as),
    ];
    expect(asked.map(({ body }) => body.code)).toEqual(['TERCET_DEAD_LETTER_UNKNOWN', 'TERCET_DEAD_LETTER_UNKNOWN']);
    expect((await get<OutboxView>('/v1/outbox')).dead).toBe(1);
    expect(warned).toEqual([]);
  });

  test.each(['?limit=0', '?limit=501', '?after=x', '?after=-1', '?page=2'])('dead letters %s: 400', async (query) => {
    expect((await node.send('GET', `/v1/outbox/dead${query}`, undefined, as)).status).toBe(400);
  });

  test('the metrics count what waits, and say nothing of a Kafka that is not there', async () => {
    const scrape = new Scrape(await get<string>('/metrics'));
    expect(scrape.value('tercet_outbox_messages')).toBe(0);
    for (const name of ['tercet_kafka_up', 'tercet_outbox_buckets', 'tercet_outbox_blocked']) {
      expect(scrape.of(name)).toEqual({});
    }
  });
});

test('while Kafka is away a node is ready, warns, and says in metrics and diagnosis what waits', async () => {
  const node = await TestNode.start(NOBODY);
  await node.component('order');
  const message = {
    mode: 'message',
    gid: 'paid',
    check: { component: 'order' },
    deliveries: [{ branchId: 'points', topic: 'order-paid', key: 'order-17', payload: {} }],
  };
  expect((await node.post('/v1/transactions', message)).status).toBe(202);
  expect((await node.post('/v1/transactions/paid/submit', {})).body).toMatchObject({
    status: 'committed',
    branches: [{ state: 'queued' }],
  });
  let view: OutboxView;
  do view = (await node.get<OutboxView>('/v1/outbox')).body;
  while (!view.here?.broker);
  expect(view).toMatchObject({ rows: 1, topics: [{ topic: 'order-paid', rows: 1 }], unownedBuckets: 0 });
  expect(view.relays).toMatchObject([{ relay: view.here.relay, isAlive: true, buckets: 64 }]);
  expect(view.here).toMatchObject({ sent: 0, buckets: 64, blockedCount: 0 });
  const { status, body } = await node.get<{ ready: boolean; warnings: string[] }>('/health/ready');
  expect({ status, ready: body.ready, count: body.warnings.length }).toEqual({ status: 200, ready: true, count: 1 });
  // Whoever asks may be anybody.
  expect(body.warnings[0]).toMatch(/^kafka: it has taken no messages since \S+Z; they wait$/);
  const scrape = await Scrape.of(node.url);
  expect(scrape.value('tercet_kafka_up')).toBe(0);
  expect(scrape.value('tercet_outbox_buckets')).toBe(64);
  expect(scrape.value('tercet_outbox_failures_total')).toBeGreaterThan(0);
  const { checks } = (await node.get<DiagnosisView>('/v1/diagnosis')).body;
  const check = (name: string): CheckView | undefined => checks.find((one) => one.name === name);
  expect(check('kafka')).toMatchObject({ ok: false, detail: expect.stringContaining('127.0.0.1:1') });
  expect(check('outbox')).toMatchObject({
    ok: true,
    detail: expect.stringMatching(/^waiting for Kafka: 1, the oldest/),
  });
  await node.stop();
});
