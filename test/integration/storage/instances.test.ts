import { jest } from '@jest/globals';
import pg from 'pg';
import type { Component } from '../../../src/engine/ports.js';
import { DEFAULT_CHECK, DEFAULT_RETRY } from '../../../src/protocol/words.js';
import { PostgresComponents } from '../../../src/storage/components.js';
import { prepareDatabase } from '../../../src/storage/data-source.js';
import { Database } from '../../../src/storage/database.js';
import { PostgresInstances } from '../../../src/storage/instances.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestDatabase } from '../../support/postgres.js';
import { Proxy } from '../../support/proxy.js';

const logger = { info() {}, warn() {}, error() {} };
const TTL_MS = 60_000;
/** As short as the wire allows. */
const SHORT_MS = 1000;

let database: TestDatabase;
let admin: pg.Client;
let here: PostgresComponents;
let elsewhere: PostgresComponents;

beforeEach(async () => {
  database = await createDatabase();
  admin = new pg.Client(database.url);
  await admin.connect();
  await prepareDatabase(database.url, 'auto', logger);
  here = new PostgresComponents({ url: database.url, leaseMs: 5000 }, logger);
  elsewhere = new PostgresComponents({ url: database.url, leaseMs: 5000 }, logger);
  await Promise.all([here.start(), elsewhere.start()]);
  await put('account');
});

afterEach(async () => {
  await Promise.all([here.stop(), elsewhere.stop()]);
  await admin.end();
  await database.drop();
});

async function put(name: string, endpoints: object = {}): Promise<void> {
  const url = `http://own/${name}`;
  await here.put({
    name,
    url,
    endpoints,
    timeoutMs: 1,
    concurrency: 1,
    retry: DEFAULT_RETRY,
    check: DEFAULT_CHECK,
    version: null,
  });
}

const beat = (name: string, url = `http://${name}`, ttlMs = TTL_MS, at = here) =>
  at.instances.beat('account', name, url, ttlMs);
const urls = (component: Component | undefined): string[] =>
  (component?.instances('try') ?? [])
    .filter(({ aliveUntil }) => aliveUntil > performance.now())
    .map(({ url }) => url)
    .sort();

async function until(isSo: () => unknown): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Seen there, without waiting for anything but the polls. */
const seen = (at: PostgresComponents, ...expected: string[]): Promise<void> =>
  until(() => urls(at.get('account')).join() === expected.join());

async function revisions(): Promise<string[]> {
  const { rows } = await admin.query<{ revision: string }>('SELECT revision FROM tercet.instance ORDER BY instance');
  return rows.map(({ revision }) => revision);
}

test('a first beat makes the instance, at once here and soon elsewhere; those that follow are no news', async () => {
  const first = await beat('a', 'http://a/base/');
  expect(first).toMatchObject({ created: true, instance: { instance: 'a', url: 'http://a/base/', isAlive: true } });
  expect(urls(here.get('account'))).toEqual(['http://a/base']);
  await seen(elsewhere, 'http://a/base');
  const before = await revisions();
  const again = await beat('a', 'http://a/base/');
  expect(again).toMatchObject({ created: false, instance: { instance: 'a', ttlMs: TTL_MS } });
  expect(again!.instance.aliveUntil >= first!.instance.aliveUntil).toBe(true);
  expect(await revisions()).toEqual(before);
});

test('what beats stays alive everywhere, though nobody is told of the beats', async () => {
  await beat('a', 'http://a', 3000);
  await seen(elsewhere, 'http://a');
  const first = elsewhere.get('account')!.instances('try')[0]!.aliveUntil;
  const before = await revisions();
  await until(async () => {
    await beat('a', 'http://a', 3000);
    expect(urls(elsewhere.get('account'))).toEqual(['http://a']);
    return performance.now() > first;
  });
  expect(await revisions()).toEqual(before);
});

test('an instance that stops beating is left out by each node, and is back with its next beat', async () => {
  await beat('a', 'http://a', SHORT_MS);
  await beat('b');
  await seen(elsewhere, 'http://a', 'http://b');
  await Promise.all([seen(here, 'http://b'), seen(elsewhere, 'http://b')]);
  expect((await here.instances.view('account')).get('account')).toMatchObject([
    { instance: 'a', isAlive: false },
    { instance: 'b', isAlive: true },
  ]);
  expect(await beat('a', 'http://a')).toMatchObject({ created: false, instance: { isAlive: true } });
  await Promise.all([seen(here, 'http://a', 'http://b'), seen(elsewhere, 'http://a', 'http://b')]);
});

describe('a node that looks when it is told to', () => {
  /** Than what it knows. */
  const NEWER = 1000n;
  let connections: Database;
  let instances: PostgresInstances;

  beforeEach(() => {
    connections = new Database({ url: database.url, leaseMs: 5000 }, logger);
    instances = new PostgresInstances(connections, '');
  });

  afterEach(() => connections.close());

  const setUntil = (until: string): Promise<unknown> => admin.query(`UPDATE tercet.instance SET until = ${until}`);
  const known = (): string[] => instances.of('account').map(({ name }) => name);
  const alive = (): string[] => urls({ instances: () => instances.of('account') } as unknown as Component);

  test('does not forget one that beat in time when the answer about it came late', async () => {
    await beat('a');
    await setUntil(`now() + interval '20 s'`);
    await instances.follow(NEWER);
    await setUntil(`now() + interval '500 ms'`);
    const read = connections.read.bind(connections);
    connections.read = async <R extends pg.QueryResultRow>(...asked: Parameters<Database['read']>) => {
      const rows = await read<R>(...asked);
      await until(async () => (await admin.query('SELECT FROM tercet.instance WHERE until <= now()')).rowCount);
      return rows;
    };
    await instances.follow(NEWER);
    connections.read = read;
    expect(alive()).toEqual([]);
    await setUntil(`now() + interval '60 s'`);
    await instances.follow(NEWER);
    expect(alive()).toEqual(['http://a']);
  });

  test('asks for instances where there are newer ones, or leases that are half over, and else not at all', async () => {
    await beat('a');
    await instances.follow(NEWER);
    const asked = jest.spyOn(connections, 'read');
    const { rows } = await admin.query<{ newest: string }>('SELECT max(revision) AS newest FROM tercet.instance');
    const newest = BigInt(rows[0]!.newest);
    await instances.follow(newest);
    expect(asked).not.toHaveBeenCalled();
    await beat('b');
    await setUntil(`now() + interval '1 s'`);
    await instances.follow(newest + 1n);
    expect(asked).toHaveBeenCalledTimes(1);
    await instances.follow(newest + 1n);
    expect(asked).toHaveBeenCalledTimes(2);
  });

  test('does not forget one whose beat was not committed yet, and forgets one that stays away', async () => {
    await beat('a');
    await setUntil(`now() - interval '2 min'`);
    await instances.follow(NEWER);
    await setUntil(`now() + interval '20 s'`);
    await instances.follow(NEWER);
    expect(alive()).toEqual(['http://a']);
    await setUntil(`now() - interval '30 s'`);
    await instances.follow(NEWER);
    await instances.follow(NEWER);
    expect([known(), alive()]).toEqual([['a'], []]);
    await setUntil(`now() - interval '61 s'`);
    await instances.follow(NEWER);
    expect(known()).toEqual([]);
  });
});

test('one that moved, and one that signed off, are news everywhere', async () => {
  await beat('a');
  await beat('b');
  await seen(elsewhere, 'http://a', 'http://b');
  expect(await beat('a', 'http://moved')).toMatchObject({ created: false });
  await seen(elsewhere, 'http://b', 'http://moved');
  expect(await here.instances.remove('account', 'b')).toBe(true);
  expect(urls(here.get('account'))).toEqual(['http://moved']);
  await seen(elsewhere, 'http://moved');
  expect(await here.instances.remove('account', 'b')).toBe(false);
  expect((await here.instances.view(null)).get('account')).toMatchObject([{ instance: 'a' }]);
  expect(await beat('b')).toMatchObject({ created: true });
  await seen(elsewhere, 'http://b', 'http://moved');
});

test('a beat that waited for a removal brings the instance back as news', async () => {
  await beat('a');
  await seen(elsewhere, 'http://a');
  await admin.query('BEGIN');
  await admin.query('SELECT FROM tercet.instance FOR UPDATE');
  const late = beat('a');
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database()
                      AND application_name = 'tercet beat' AND wait_event_type = 'Lock'`;
  await until(async () => {
    await admin.query('SELECT pg_stat_clear_snapshot()');
    return (await admin.query(waiting)).rowCount;
  });
  await admin.query(`UPDATE tercet.instance SET is_removed = true, until = clock_timestamp(),
                       revision = nextval('tercet.instance_revision')`);
  await admin.query('COMMIT');
  expect(await late).toMatchObject({ created: true });
  await Promise.all([seen(here, 'http://a'), seen(elsewhere, 'http://a')]);
});

test('of many instances that come at once on two nodes none is missed', async () => {
  const names = Array.from({ length: 40 }, (_, index) => `i${index}`);
  const all = names.map((name) => `http://${name}`).sort();
  await Promise.all(names.map((name, index) => beat(name, undefined, TTL_MS, index % 2 ? here : elsewhere)));
  await Promise.all([seen(here, ...all), seen(elsewhere, ...all)]);
});

test('an operation with an endpoint of its own is not called at instances', async () => {
  await put('account', { confirm: 'http://own/confirm' });
  await beat('a');
  const component = here.get('account');
  expect(component?.instances('confirm')).toEqual([]);
  expect(component?.instances('try')).toHaveLength(1);
});

test('a component that is not registered has no instances, and one that is deleted takes its own with it', async () => {
  expect(await here.instances.beat('nobody', 'a', 'http://a', TTL_MS)).toBeNull();
  await beat('a');
  await seen(elsewhere, 'http://a');
  expect(await here.remove('account')).toBe('removed');
  await Promise.all([seen(here), seen(elsewhere)]);
  expect(await beat('a')).toBeNull();
  await put('account');
  expect(await here.instances.view(null)).toEqual(new Map());
  expect(await beat('a')).toMatchObject({ created: true });
});

test('an instance whose lease has been over for an hour is forgotten', async () => {
  await beat('a');
  await seen(elsewhere, 'http://a');
  await admin.query(`UPDATE tercet.instance SET until = now() - interval '61 minutes'`);
  expect(await here.instances.view(null)).toEqual(new Map());
  expect(await here.instances.remove('account', 'a')).toBe(false);
  await beat('b');
  expect(await revisions()).toHaveLength(1);
  expect(await beat('a')).toMatchObject({ created: true });
});

test('while the database is away leases stand still, since nobody can beat', async () => {
  const proxy = await Proxy.start(database.url);
  const far = new PostgresComponents({ url: proxy.url, leaseMs: 1000 }, logger);
  await far.start();
  await beat('a', 'http://a', 4000);
  await seen(far, 'http://a');
  proxy.loseAnswers();
  await until(async () => (await here.instances.view(null)).get('account')?.[0]?.isAlive === false);
  proxy.heal();
  await seen(here);
  await seen(far, 'http://a');
  await seen(far);
  await far.stop();
  await proxy.stop();
});
