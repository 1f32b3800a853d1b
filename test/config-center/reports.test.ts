import { jest } from '@jest/globals';
import { selects } from '../../src/config/selector.js';
import type { ConfigNodeView, ConfigReport } from '../../src/protocol/config.js';
import { Database } from '../../src/storage/database.js';
import { Bench, refusal } from './center.js';

let bench: Bench;

beforeEach(async () => {
  bench = await Bench.start();
});
afterEach(() => bench.close());

type Said = ConfigReport['namespaces'][string];
const said = (release: number, state: Said['state'] = 'applied', reason?: string): Said => {
  return { release, checksum: 'c', state, ...(reason === undefined ? {} : { reason }) };
};
const report = (instance: string, orders: Said, over: Partial<ConfigReport> = {}) => {
  const sent = { incarnation: 'one', ttlMs: 60_000, namespaces: { orders }, ...over };
  return bench.center.report('shop', instance, sent);
};
const node = async (instance: string): Promise<ConfigNodeView | undefined> =>
  (await bench.center.nodes('shop')).nodes.find((each) => each.instance === instance);
const orders = async (instance: string) => (await node(instance))?.namespaces['orders'];

it('shows of each instance what it should have, what it has, and since when', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  await report('i1', said(1), { labels: { zone: 'a' } });
  expect(await node('i1')).toEqual({
    instance: 'i1',
    incarnation: 'one',
    labels: { zone: 'a' },
    isAlive: true,
    reportedAt: expect.stringMatching(/Z$/),
    namespaces: {
      orders: { desired: 1, applied: 1, state: 'applied', since: expect.stringMatching(/Z$/), reason: null },
    },
  });
  const since = (await orders('i1'))?.since;
  await report('i1', said(1));
  expect((await orders('i1'))?.since).toBe(since);
  await bench.release('shop', { orders: { v: 2 } });
  expect(await orders('i1')).toMatchObject({ desired: 2, applied: 1, state: 'late', since });
  await report('i1', said(2, 'rejected', 'v is bad'));
  expect(await orders('i1')).toEqual({ desired: 2, applied: 1, state: 'rejected', since, reason: 'v is bad' });
  await bench.release('shop', { orders: { v: 3 } });
  expect(await orders('i1')).toMatchObject({ desired: 3, applied: 1, state: 'late', reason: null });
  await report('i1', said(3, 'applied', 'the pool waits for a restart'));
  expect(await orders('i1')).toMatchObject({ applied: 3, state: 'applied', reason: 'the pool waits for a restart' });
});

it('takes what is said again in one statement, by which the instance lives on', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  await report('i1', said(1), { ttlMs: 1 });
  const transactions = jest.spyOn(Database.prototype, 'inTransaction');
  try {
    const { reportedAt, namespaces } = (await node('i1'))!;
    await report('i1', said(1), { ttlMs: 1 });
    expect(transactions).not.toHaveBeenCalled();
    const again = (await node('i1'))!;
    expect(again.namespaces).toEqual(namespaces);
    expect(Date.parse(again.reportedAt)).toBeGreaterThanOrEqual(Date.parse(reportedAt));
    await report('i1', said(1));
    expect(transactions).toHaveBeenCalledTimes(1);
    expect(await node('i1')).toMatchObject({ isAlive: true });
    // What it said to another node meanwhile is not taken for what it said here.
    const elsewhere = bench.another({});
    await elsewhere.report('shop', 'i1', { incarnation: 'one', ttlMs: 60_000, namespaces: {} });
    await report('i1', said(1));
    expect(await node('i1')).toMatchObject({ namespaces: { orders: { applied: 1 } } });
    await report('i1', said(1), { namespaces: {} });
    await elsewhere.report('shop', 'i1', { incarnation: 'two', ttlMs: 60_000, namespaces: {} });
    await report('i1', said(1), { namespaces: {} });
    expect(await node('i1')).toMatchObject({ incarnation: 'one' });
  } finally {
    transactions.mockRestore();
  }
});

it('takes what several instances say again in turn in one statement each', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  for (const instance of ['i1', 'i2', 'i3']) await report(instance, said(1));
  const transactions = jest.spyOn(Database.prototype, 'inTransaction');
  try {
    for (const instance of ['i1', 'i2', 'i3']) await report(instance, said(1));
    expect(transactions).not.toHaveBeenCalled();
    await report('i2', said(1, 'applied', 'the pool waits for a restart'));
    expect(transactions).toHaveBeenCalledTimes(1);
    expect(await orders('i2')).toMatchObject({ reason: 'the pool waits for a restart' });
    expect(await orders('i1')).toMatchObject({ reason: null });
  } finally {
    transactions.mockRestore();
  }
});

it('looks again at a rejection that is said again: it may end a gray release', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  await report('i1', said(1, 'rejected', 'no'));
  const transactions = jest.spyOn(Database.prototype, 'inTransaction');
  try {
    await report('i1', said(1, 'rejected', 'no'));
    expect(transactions).toHaveBeenCalledTimes(1);
  } finally {
    transactions.mockRestore();
  }
});

it('forgets with a new start what the one before had', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  await report('i1', said(1));
  await report('i1', said(1, 'rejected', 'no'), { incarnation: 'two' });
  expect(await orders('i1')).toMatchObject({ applied: null, since: null, state: 'rejected' });
});

it('wants of an instance what a gray release has for it', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  const names = Array.from({ length: 20 }, (_, index) => `i${index}`);
  for (const name of names) await report(name, said(1));
  await bench.draft('shop', 'orders', { v: 2 });
  const gray = { labels: {}, percent: 50 };
  await bench.center.release('shop', { reason: 'r', mode: 'gray', gray }, 'rob');
  const { nodes } = await bench.center.nodes('shop');
  const wanted = nodes.map(({ instance, namespaces }) => [instance, namespaces['orders']?.desired]);
  const chosen = (instance: string): boolean => selects(gray, 'shop', { instance, labels: {} });
  expect(Object.fromEntries(wanted)).toEqual(Object.fromEntries(names.map((name) => [name, chosen(name) ? 2 : 1])));
  expect(new Set(names.map(chosen)).size).toBe(2);
  await bench.center.promote('shop', 'r', 'rob');
  expect((await bench.center.nodes('shop')).nodes.every(({ namespaces }) => namespaces['orders']?.desired === 2)).toBe(
    true,
  );
});

it('shows for a day who is gone, and then forgets him', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  await report('i1', said(1));
  const gone = (for_: string) =>
    bench.query(`UPDATE tercet.config_report SET until = now() - $1::interval WHERE instance = 'i1'`, [for_]);
  await gone('23 hours');
  expect((await node('i1'))?.isAlive).toBe(false);
  await gone('25 hours');
  expect(await node('i1')).toBeUndefined();
  await report('i2', said(1));
  expect(await bench.query('SELECT instance FROM tercet.config_report')).toEqual([{ instance: 'i2' }]);
  await report('i2', said(1));
  expect((await node('i2'))?.isAlive).toBe(true);
});

it('takes no report of what there is not', async () => {
  expect((await refusal(report('i1', said(1)))).code).toBe('TERCET_CONFIG_UNKNOWN');
  await bench.release('shop', { stock: {} });
  expect(await refusal(report('i1', said(1)))).toMatchObject({
    code: 'TERCET_CONFIG_UNKNOWN',
    detail: expect.stringContaining("'orders'"),
  });
  expect((await refusal(bench.center.nodes('none'))).code).toBe('TERCET_CONFIG_UNKNOWN');
});

it('takes many reports at once, of the same instance too', async () => {
  await bench.release('shop', { orders: { v: 1 } });
  await Promise.all(Array.from({ length: 40 }, (_, index) => report(`i${index % 10}`, said(1))));
  expect((await bench.center.nodes('shop')).nodes).toHaveLength(10);
});
