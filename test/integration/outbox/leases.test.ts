/** Relays share the buckets of an outbox, and take over from those that are gone. */
import { until } from '../../client/until.js';
import { Proxy } from '../../support/proxy.js';
import { keysApart, LeapingClock, numbered, Outbox, watch } from './outbox.js';

let outbox: Outbox;

beforeEach(async () => {
  outbox = await Outbox.create();
});

afterEach(() => outbox.close());

test('relays that come and go have fair shares of the buckets', async () => {
  const a = await outbox.relay();
  await outbox.shared([a, 64]);
  const b = await outbox.relay();
  await outbox.shared([a, 32], [b, 32]);
  const c = await outbox.relay();
  const shares = [a, b, c].map(({ id }) => id).sort();
  const shareOf = ({ id }: { id: string }): number => (id === shares[0] ? 22 : 21);
  await outbox.shared([a, shareOf(a)], [b, shareOf(b)], [c, shareOf(c)]);
  await b.stop();
  await outbox.shared([a, 32], [c, 32]);
  await a.stop();
  await outbox.shared([c, 64]);
});

test('with several relays that come and go under load, no key is out of order and nothing arrives twice', async () => {
  const { broker } = outbox;
  const keys = keysApart(30);
  const a = await outbox.relay();
  const sent = new Map(keys.map((key) => [key, 0]));
  let isOver = false;
  const write = async (): Promise<void> => {
    for (let n = 0; !isOver; n += 1) {
      await outbox.append(...keys.map((key) => numbered(n, key)));
      for (const key of keys) sent.set(key, n + 1);
    }
  };
  const writing = write();
  const b = await outbox.relay();
  await outbox.shared([a, 32], [b, 32]);
  const c = await outbox.relay({ lanes: 2 });
  await until('the third one has a share', () => Promise.resolve(c.status.tally.sent > 0));
  await a.stop();
  await outbox.shared([b, 32], [c, 32]);
  isOver = true;
  await writing;
  await outbox.drained();
  for (const key of keys) {
    expect(broker.arrived({ key })).toEqual(Array.from({ length: sent.get(key)! }, (_, n) => n));
  }
});

test('what a relay that went silent had is sent by another, and its own removal counts for nothing', async () => {
  const { broker } = outbox;
  const proxy = await Proxy.start(outbox.url);
  const said: string[] = [];
  const note = (_fields: object, message: string): void => void said.push(message);
  const logger = { info: note, warn: note, error: note };
  const stale = await outbox.relay({ pool: outbox.newPool(proxy.url), logger });
  await outbox.shared([stale, 64]);
  broker.hold();
  await outbox.append(numbered(1), numbered(2));
  const first = await broker.next();
  // The database is not heard of any more, and the batch is at the broker.
  proxy.silence();
  const other = await outbox.relay();
  await outbox.shared([other, 64]);
  const second = await broker.next();
  expect(second.records).toEqual(first.records);
  // It says that it has removed its batch, and others still have it in hand.
  proxy.heal();
  first.release();
  await until('the stale one has noticed', () => Promise.resolve(said.some((line) => line.startsWith('others have'))));
  expect(await outbox.count()).toBe(2);
  broker.letPass();
  second.release();
  await outbox.drained();
  expect(broker.arrived()).toEqual([1, 2, 1, 2]);
  await proxy.stop();
});

test('a relay that was frozen past its lease sends nothing more of what it had read', async () => {
  const { broker } = outbox;
  const clock = new LeapingClock();
  const pool = outbox.newPool();
  let reads = 0;
  watch(pool, (name) => {
    if (name === 'tercet-outbox-read') reads += 1;
  });
  const numbers = Array.from({ length: 700 }, (_, n) => n);
  await outbox.append(...numbers.map((n) => numbered(n)));
  broker.hold();
  const relay = await outbox.relay({ pool, clock, leaseMs: 600_000 });
  const first = await broker.next();
  await until('the next batch is read', () => Promise.resolve(reads === 2));
  clock.leap(600_000);
  expect(relay.status.buckets).toEqual([]);
  broker.letPass();
  first.release();
  // What was sent is removed: the lease is over, and nobody else has taken it.
  await until('the first batch is removed', async () => (await outbox.count()) === 200);
  expect(broker.arrived()).toEqual(numbers.slice(0, 500));
});

test('a relay that is stopped gives its buckets back at once', async () => {
  const relay = await outbox.relay({ leaseMs: 600_000 });
  await relay.stop();
  expect(await outbox.owners()).toEqual({});
  expect(await outbox.count('tercet_outbox_relay')).toBe(0);
  const next = await outbox.relay({ leaseMs: 600_000 });
  expect(next.status.buckets).toHaveLength(64);
});

test('a lease that was not given back is taken when it is over, and not before', async () => {
  await outbox.pool.query(
    `UPDATE tercet_outbox_lease SET owner = 'gone', epoch = 7,
            until = now() + CASE WHEN bucket < 10 THEN interval '1 hour' ELSE interval '0' END`,
  );
  const relay = await outbox.relay();
  await outbox.shared([relay, 54]);
  expect(relay.status.buckets).toEqual(Array.from({ length: 54 }, (_, n) => n + 10));
  await outbox.pool.query(`UPDATE tercet_outbox_lease SET until = now() WHERE owner = 'gone'`);
  await outbox.shared([relay, 64]);
  const { rows } = await outbox.pool.query('SELECT DISTINCT epoch FROM tercet_outbox_lease');
  expect(rows).toEqual([{ epoch: '8' }]);
});

test('an outbox with another number of buckets is refused', async () => {
  await outbox.pool.query('DELETE FROM tercet_outbox_lease WHERE bucket = 63');
  await expect(outbox.relay()).rejects.toThrow('the outbox has 63 buckets, and not 64');
});

test('an outbox that is not there is refused', async () => {
  await expect(outbox.relay({ prefix: 'nowhere' })).rejects.toThrow('"nowhere_relay" does not exist');
});
