/** What the broker does not take waits alone, or goes to the dead letters. */
import { DeadLetters } from '../../../src/outbox/dead-letters.js';
import { RecordsRefused, TopicUnknown } from '../../../src/outbox/producer.js';
import type { OutboxRecord } from '../../../src/outbox/producer.js';
import { until } from '../../client/until.js';
import { LeapingClock, numbered, Outbox } from './outbox.js';

let outbox: Outbox;

beforeEach(async () => {
  outbox = await Outbox.create();
});

afterEach(() => outbox.close());

/** A broker without this topic. */
const lacks =
  (topic: string) =>
  (records: readonly OutboxRecord[]): Error | undefined =>
    records.some((record) => record.topic === topic) ? new TopicUnknown(topic) : undefined;

/** A broker that never takes these payloads. */
const refuses =
  (...payloads: number[]) =>
  (records: readonly OutboxRecord[]): Error | undefined =>
    records.some(({ payload }) => payloads.includes(Number(payload))) ? new RecordsRefused('too large') : undefined;

const seen = (count: number): Promise<void> =>
  until(`${count} messages have arrived`, () => Promise.resolve(outbox.broker.arrived().length === count));

test('a topic that the broker does not know delays only itself, and goes out in order once it is there', async () => {
  const { broker } = outbox;
  broker.refusal = lacks('later');
  await outbox.append(numbered(1, 'k', 'later'), numbered(2, 'k'), numbered(3, 'k', 'later'), numbered(4, 'k'));
  const relay = await outbox.relay();
  await seen(2);
  expect(broker.arrived()).toEqual([2, 4]);
  expect(relay.status.blocked).toEqual([
    {
      topic: 'later',
      key: null,
      id: null,
      why: expect.stringContaining('later') as string,
      since: expect.any(Number) as number,
    },
  ]);
  await outbox.append(numbered(5, 'k', 'later'), numbered(6, 'k'));
  relay.wake();
  await seen(3);
  broker.refusal = () => undefined;
  await outbox.drained();
  expect(broker.arrived({ topic: 'later' })).toEqual([1, 3, 5]);
  expect(broker.arrived({ topic: 't' })).toEqual([2, 4, 6]);
  expect(relay.status.blocked).toEqual([]);
});

test('a long queue for a topic that the broker does not know holds up no other', async () => {
  const { broker } = outbox;
  broker.refusal = lacks('later');
  await outbox.append(...Array.from({ length: 2000 }, (_, n) => numbered(n, 'k', 'later')), numbered(-1, 'k'));
  await outbox.relay();
  await seen(1);
  expect(broker.arrived()).toEqual([-1]);
});

test('block: a message that is refused waits with those of its key, and all others go on', async () => {
  const { broker } = outbox;
  const clock = new LeapingClock();
  broker.refusal = refuses(7);
  const messages = Array.from({ length: 40 }, (_, n) => numbered(n, `k${n % 4}`));
  const keyOf7 = 'k3';
  await outbox.append(...messages, { ...numbered(100), key: null });
  const relay = await outbox.relay({ clock });
  await seen(32);
  expect(broker.arrived({ key: keyOf7 })).toEqual([3]);
  expect(relay.status.blocked).toMatchObject([{ topic: 't', key: keyOf7, why: 'too large' }]);
  expect(relay.status.blocked[0]?.id).toMatch(/^\d+$/);
  await outbox.append(numbered(101, keyOf7), numbered(102, 'k1'));
  relay.wake();
  await seen(33);
  // Tried again in time, and refused again: it still waits since then.
  const [{ since } = { since: 0 }] = relay.status.blocked;
  const { refusals } = broker;
  clock.leap(6000);
  relay.wake();
  await until('it was refused again', () => Promise.resolve(broker.refusals > refusals));
  expect(relay.status.blocked).toMatchObject([{ since }]);
  broker.refusal = () => undefined;
  clock.leap(60_000);
  await outbox.drained();
  expect(broker.arrived({ key: keyOf7 })).toEqual([3, 7, 11, 15, 19, 23, 27, 31, 35, 39, 101]);
  expect(relay.status.blocked).toEqual([]);
});

test('block: a refused message without a key holds up nothing', async () => {
  const { broker } = outbox;
  broker.refusal = refuses(1);
  await outbox.append(...[0, 1, 2, 3].map((n) => ({ id: 'same-bucket', topic: 't', payload: n })));
  const relay = await outbox.relay();
  await seen(3);
  expect(broker.arrived()).toEqual([0, 2, 3]);
  expect(relay.status.blocked).toMatchObject([{ topic: 't', key: null }]);
});

test('skip: a message that is refused goes to the dead letters, and its key goes on', async () => {
  const { broker } = outbox;
  broker.refusal = refuses(1, 4);
  await outbox.append(...[0, 1, 2, 3, 4, 5].map((n) => ({ ...numbered(n), id: `m${n}` })));
  const relay = await outbox.relay({ policy: 'skip' });
  await outbox.drained();
  expect(broker.arrived()).toEqual([0, 2, 3, 5]);
  expect(relay.status).toMatchObject({ blocked: [], tally: { sent: 4, dead: 2 } });
  expect(await relay.depth()).toEqual({ rows: 0, dead: 2, oldestMs: null });
  const dead = await new DeadLetters(outbox.pool).list();
  expect(dead).toMatchObject([
    { messageId: 'm1', topic: 't', key: 'k', payload: '1', error: 'too large' },
    { messageId: 'm4', topic: 't', key: 'k', payload: '4', error: 'too large' },
  ]);
  expect(dead[0]?.createdAt).toBeInstanceOf(Date);
  expect(JSON.parse(dead[0]?.headers ?? '')).toMatchObject({ ce_id: 'm1' });
});

test('dead letters are put back at the end, or at their place, or dropped', async () => {
  const { broker } = outbox;
  broker.refusal = refuses(0, 1, 2);
  await outbox.append(...[0, 1, 2, 3].map((n) => numbered(n)));
  const first = await outbox.relay({ policy: 'skip' });
  await outbox.drained();
  await first.stop();
  const letters = new DeadLetters(outbox.pool);
  const [none, end, place] = (await letters.list()).map(({ id }) => id);
  expect(await letters.list({ limit: 1, after: none! })).toMatchObject([{ id: end }]);
  await outbox.append(numbered(4));
  broker.refusal = () => undefined;
  expect(await letters.putBack([end!], 'end')).toBe(1);
  expect(await letters.putBack([place!, end!], 'place')).toBe(1);
  expect(await letters.drop([none!, place!])).toBe(1);
  expect(await letters.list()).toEqual([]);
  await outbox.relay();
  await outbox.drained();
  expect(broker.arrived()).toEqual([3, 2, 4, 1]);
});

test('when very many keys of a topic are refused, the topic waits as a whole', async () => {
  const { broker } = outbox;
  broker.refusal = (records) => (records.some(({ topic }) => topic === 'bad') ? new RecordsRefused('no') : undefined);
  await outbox.append(...Array.from({ length: 1500 }, (_, n) => numbered(n, `k${n}`, 'bad')), numbered(-1));
  const relay = await outbox.relay();
  await seen(1);
  await until('the topic waits', () => Promise.resolve(relay.status.blocked.some(({ id }) => id === null)));
  expect(relay.status.blocked.length).toBeLessThanOrEqual(1001);
});
