/** What a relay does while nothing is to be done, while the database or the broker is away, and when it is stopped. */
import pg from 'pg';
import { until } from '../../client/until.js';
import { ManualClock } from '../../participants/manual-clock.js';
import { Proxy } from '../../support/proxy.js';
import { keysApart, numbered, Outbox, watch } from './outbox.js';

let outbox: Outbox;

beforeEach(async () => {
  outbox = await Outbox.create();
});

afterEach(() => outbox.close());

const arrived = (count: number): Promise<void> =>
  until(`${count} messages have arrived`, () => Promise.resolve(outbox.broker.arrived().length === count));

test('what is committed goes out when the relay is woken, without waiting for any time to pass', async () => {
  const relay = await outbox.relay({ clock: new ManualClock() });
  for (let n = 0; n < 5; n += 1) {
    await outbox.append(numbered(n));
    relay.wake();
    await arrived(n + 1);
  }
});

test('what is committed goes out without a word, when others committed it', async () => {
  await outbox.relay();
  await outbox.append(numbered(1));
  await arrived(1);
});

test('a relay with nothing to do asks the database at most six times a second', async () => {
  const pool = outbox.newPool();
  let queries = 0;
  watch(pool, () => {
    queries += 1;
  });
  await outbox.relay({ pool, lanes: 2, leaseMs: 10_000 });
  await until('it waits as long as it will', () => Promise.resolve(queries > 24));
  queries = 0;
  const startedAt = performance.now();
  await until('three seconds have passed', () => Promise.resolve(performance.now() - startedAt > 3000));
  expect(queries).toBeGreaterThan(0);
  expect(queries).toBeLessThanOrEqual(6 * ((performance.now() - startedAt) / 1000));
});

test('a database that goes away and comes back delays messages, and loses none', async () => {
  const server = new pg.Client(process.env['TEST_POSTGRES_URL']);
  await server.connect();
  const name = new URL(outbox.url).pathname.slice(1);
  const relay = await outbox.relay({ lanes: 2 });
  const keys = keysApart(10);
  await outbox.append(...keys.map((key) => numbered(1, key)));
  await outbox.drained();
  await outbox.append(...keys.map((key) => numbered(2, key)));
  await server.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
  await server.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
  await until('it says so', () => Promise.resolve(relay.status.database !== null));
  await until('its lease is over', () => Promise.resolve(relay.status.buckets.length === 0));
  await server.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
  await server.end();
  await outbox.append(...keys.map((key) => numbered(3, key)));
  await outbox.drained();
  await until('all is well', () => Promise.resolve(relay.status.database === null));
  for (const key of keys) expect(new Set(outbox.broker.arrived({ key }))).toEqual(new Set([1, 2, 3]));
});

test('a database that says nothing any more is given up and asked again', async () => {
  const proxy = await Proxy.start(outbox.url);
  const relay = await outbox.relay({ pool: outbox.newPool(proxy.url) });
  await outbox.shared([relay, 64]);
  proxy.silence();
  await until('it says so', () => Promise.resolve(relay.status.database !== null));
  await outbox.append(numbered(1));
  proxy.cut();
  proxy.heal();
  await outbox.drained();
  expect(outbox.broker.arrived()).toEqual([1]);
  await proxy.stop();
});

test('a relay starts while the database is away, and works once it is there', async () => {
  const proxy = await Proxy.start(outbox.url);
  proxy.silence();
  const relay = await outbox.relay({ pool: outbox.newPool(proxy.url) });
  expect(relay.status.database).toMatchObject({ why: expect.any(String) as string });
  await outbox.append(numbered(1));
  proxy.cut();
  proxy.heal();
  await outbox.drained();
  await proxy.stop();
});

test('while the broker is away messages wait, it is asked ever more seldom, and then all go out in order', async () => {
  const { broker } = outbox;
  broker.refusal = () => new Error('connection refused');
  const relay = await outbox.relay();
  await outbox.append(numbered(1), numbered(2));
  await until('it was asked four times', () => Promise.resolve(broker.refusals >= 4));
  const { broker: trouble } = relay.status;
  expect(trouble).toEqual({ why: 'connection refused', since: expect.any(Number) as number });
  // A wake is no reason to ask again at once.
  const { refusals } = broker;
  for (let n = 0; n < 50; n += 1) {
    relay.wake();
    await outbox.count();
  }
  expect(broker.refusals).toBeLessThanOrEqual(refusals + 1);
  await outbox.append(numbered(3));
  expect(await relay.depth()).toMatchObject({ rows: 3, oldestMs: expect.any(Number) as number });
  broker.refusal = () => undefined;
  await outbox.drained();
  expect(broker.arrived()).toEqual([1, 2, 3]);
  expect(relay.status).toMatchObject({ broker: null, tally: { sent: 3, batches: 1 } });
});

test('stopped, it ends the batch that is under way, removes it, and sends nothing more', async () => {
  const { broker } = outbox;
  const relay = await outbox.relay({ lanes: 2 });
  broker.hold();
  await outbox.append(numbered(1));
  const first = await broker.next();
  await outbox.append(numbered(2));
  const stopping = relay.stop();
  broker.letPass();
  // It does not let go of what it has in hand.
  for (let n = 0; n < 20; n += 1) expect(await outbox.owners()).toEqual({ [relay.id]: 64 });
  first.release();
  await stopping;
  expect(broker.arrived()).toEqual([1]);
  expect(await outbox.count()).toBe(1);
  expect(await outbox.owners()).toEqual({});
  expect(broker.closed).toBe(2);
  await outbox.relay();
  await outbox.drained();
  expect(broker.arrived()).toEqual([1, 2]);
});

test('stopped while neither database nor broker is there, it stops', async () => {
  const { broker } = outbox;
  const proxy = await Proxy.start(outbox.url);
  const relay = await outbox.relay({ pool: outbox.newPool(proxy.url) });
  broker.refusal = () => new Error('connection refused');
  await outbox.append(numbered(1));
  await until('the broker was asked', () => Promise.resolve(broker.refusals > 0));
  proxy.silence();
  await relay.stop();
  expect(broker.closed).toBe(1);
  await proxy.stop();
});
