/** /metrics tells what a node did: each fact once, under names of which there are never too many. */
import { MAX_COMPONENTS } from '../../src/metrics/engine-metrics.js';
import { Metrics } from '../../src/metrics/metrics.js';
import type { Sources } from '../../src/metrics/metrics.js';
import { transaction } from '../contract/sample.js';
import { begin, TestNode } from '../http/node.js';
import { json } from '../participants/service.js';
import { Scrape } from '../support/prometheus.js';
import { Proxy } from '../support/proxy.js';

const RETRY = { baseMs: 1, capMs: 1, maxAttempts: 2 };

describe('what a node did', () => {
  let node: TestNode;
  let road: Proxy;

  beforeAll(async () => {
    node = await TestNode.start({ TERCET_LEASE_MS: '1000' }, async (url) => (road = await Proxy.start(url)).url);
    await node.component('account', { retry: RETRY });
  });

  afterAll(async () => {
    road.heal();
    await node.stop();
    await road.stop();
  });

  test('begins, decisions by their reason, calls by their outcome, and ends are counted, and repeats are not', async () => {
    const committed = begin({ gid: 'committed', wait: 'settled' });
    for (const _ of [1, 2]) await node.post('/v1/transactions', committed);
    node.participant.answer = (response, asked) =>
      (asked.call.op === 'try' ? json({ reason: 'sold out' }, 409) : json({}))(response, asked);
    await node.post('/v1/transactions', begin({ gid: 'refused', wait: 'settled' }));
    node.participant.answer = json({});
    await node.post('/v1/transactions', { mode: 'tcc', gid: 'asked', drive: 'initiator' });
    for (const _ of [1, 2]) await node.post('/v1/transactions/asked/abort', { wait: 'settled' });

    const scrape = await Scrape.of(node.url);
    expect(scrape.of('tercet_begins_total')).toEqual({ 'tercet_begins_total{mode="tcc"}': 3 });
    expect(scrape.of('tercet_decisions_total')).toEqual({
      'tercet_decisions_total{mode="tcc",decision="commit",reason="none"}': 1,
      'tercet_decisions_total{mode="tcc",decision="abort",reason="refused"}': 1,
      'tercet_decisions_total{mode="tcc",decision="abort",reason="requested"}': 1,
    });
    expect(scrape.of('tercet_calls_total')).toEqual({
      'tercet_calls_total{component="account",op="try",outcome="done"}': 1,
      'tercet_calls_total{component="account",op="try",outcome="refused"}': 1,
      'tercet_calls_total{component="account",op="confirm",outcome="done"}': 1,
      'tercet_calls_total{component="account",op="cancel",outcome="done"}': 1,
    });
    expect(scrape.of('tercet_ends_total')).toEqual({
      'tercet_ends_total{mode="tcc",status="committed"}': 1,
      'tercet_ends_total{mode="tcc",status="aborted"}': 2,
    });
    expect(scrape.value('tercet_begin_to_decision_seconds_count{mode="tcc"}')).toBe(3);
    expect(scrape.value('tercet_call_seconds_count{component="account",op="try"}')).toBe(2);
    expect(scrape.value('tercet_flush_rows_sum')).toBeGreaterThanOrEqual(7);
  });

  test('requests are told by the pattern of their route and the class of their status, never by their path', async () => {
    await node.get('/v1/transactions/no-such-gid');
    await node.get('/v1/nothing-at-no-such-path');
    const { text } = await Scrape.of(node.url);
    expect(text).toContain('{method="GET",route="/v1/transactions/:gid",status="4xx"} 1\n');
    expect(text).toContain('{method="any",route="none",status="4xx"} 1\n');
    expect(text).not.toContain('no-such');
  });

  test('a request that waits is in flight, and one whose asker left is told as such', async () => {
    await node.post('/v1/transactions', { mode: 'tcc', gid: 'waited-for', drive: 'initiator' });
    const leaving = new AbortController();
    const path = '/v1/transactions/waited-for?wait=settled&waitMs=60000';
    const asked = fetch(node.url + path, { signal: leaving.signal }).catch(() => 'left');
    const inFlight = async (): Promise<number | undefined> =>
      (await Scrape.of(node.url)).value('tercet_http_requests_in_flight');
    while ((await inFlight()) !== 1);
    expect((await Scrape.of(node.url)).value('tercet_driven_transactions{state="waiting"}')).toBe(1);
    leaving.abort();
    expect(await asked).toBe('left');
    while ((await inFlight()) !== 0);
    expect((await Scrape.of(node.url)).text).toContain('route="/v1/transactions/:gid",status="left"} 1\n');
    await node.post('/v1/transactions/waited-for/abort', { wait: 'settled' });
  });

  test('while the log is away the node says so, and tells nothing of it that may no longer be true', async () => {
    // The reading of the tests before has aged by then.
    road.silence();
    road.cut();
    let scrape = await Scrape.of(node.url);
    while (scrape.value('tercet_database_up') !== 0) scrape = await Scrape.of(node.url);
    for (const name of ['unfinished_transactions', 'oldest_unfinished_seconds', 'parked_transactions']) {
      expect(scrape.of(`tercet_${name}`)).toEqual({});
    }
    while (scrape.value('tercet_ready') !== 0) scrape = await Scrape.of(node.url);
    road.heal();
    while (scrape.value('tercet_database_up') !== 1) scrape = await Scrape.of(node.url);
    expect(scrape.value('tercet_parked_transactions')).toBe(0);
  });
});

test('what is unfinished and parked is told of the whole log, by every node', async () => {
  const node = await TestNode.start();
  await node.component('account', { retry: RETRY });
  node.participant.answer = (response, { call }) => void response.writeHead(call.op === 'try' ? 200 : 500).end('{}');
  await node.post('/v1/transactions', begin({ gid: 'stuck', wait: 'settled' }));
  await node.post('/v1/transactions', { mode: 'tcc', gid: 'open', drive: 'initiator' });
  // Decided, and not late: it says itself when it goes out.
  const deliveries = [{ branchId: 'a', component: 'account' }];
  const deliverAt = new Date(Date.now() + 3_600_000).toISOString();
  const check = { component: 'account' };
  await node.post('/v1/transactions', { mode: 'message', gid: 'later', check, deliveries, deliverAt });
  await node.post('/v1/transactions/later/submit', {});
  const other = await node.beside();
  for (const { url } of [other, node]) {
    const scrape = await Scrape.of(url);
    expect(scrape.of('tercet_unfinished_transactions')).toEqual({
      'tercet_unfinished_transactions{status="open"}': 1,
      'tercet_unfinished_transactions{status="committing"}': 2,
      'tercet_unfinished_transactions{status="aborting"}': 0,
    });
    expect(scrape.value('tercet_parked_transactions')).toBe(1);
    // The first start of a node makes a week of partitions, beside whatever else it does.
    while (!((await Scrape.of(url)).value('tercet_history_ahead_seconds')! > 6 * 86_400));
    expect(scrape.value('tercet_oldest_parked_seconds')).toBeGreaterThan(0);
    expect(scrape.value('tercet_oldest_unfinished_seconds{status="open"}')).toBeGreaterThan(0);
    expect(scrape.value('tercet_oldest_unfinished_seconds{status="committing"}')).toBe(0);
    expect(scrape.value('tercet_parks_total{mode="tcc"}')).toBe(url === node.url ? 1 : undefined);
  }
  node.participant.answer = json({});
  await other.drain();
  await node.stop();
});

describe('the metrics by themselves', () => {
  let metrics: Metrics;
  let reads = 0;

  beforeEach(() => {
    metrics = new Metrics();
    reads = 0;
  });

  afterEach(() => metrics.stop());

  function watch(unfinished: Sources['unfinished']): void {
    metrics.watch({
      underWay: () => [],
      maxUnfinished: () => 1,
      pulls: () => null,
      config: () => ({ desired: null, applied: null, epoch: 0, rejects: 0, rejected: null, unseen: null }),
      problems: () => [],
      callsBusyMs: () => 1500,
      pools: () => ({}),
      unfinished,
      historyAheadMs: async () => 1,
      outbox: async () => ({ rows: 0, dead: 0, oldestMs: null }),
      relay: () => null,
      ids: () => null,
    });
  }

  test(`the first ${MAX_COMPONENTS} components have series of their own, all others share one`, async () => {
    const tx = transaction();
    const branch = tx.branches[0]!;
    for (let index = 0; index < MAX_COMPONENTS + 50; index += 1) {
      const call = { op: 'try', attempt: 1, outcome: { kind: 'done', reply: null }, durationMs: 1, tx } as const;
      for (const _ of [1, 2]) metrics.engine.answered({ ...call, branch: { ...branch, component: `c-${index}` } });
    }
    const scrape = new Scrape(await metrics.text());
    expect(Object.keys(scrape.of('tercet_calls_total'))).toHaveLength(MAX_COMPONENTS + 1);
    expect(Object.keys(scrape.of('tercet_call_seconds_count'))).toHaveLength(MAX_COMPONENTS + 1);
    expect(scrape.value('tercet_calls_total{component="c-0",op="try",outcome="done"}')).toBe(2);
    expect(scrape.value('tercet_calls_total{component="other",op="try",outcome="done"}')).toBe(100);
  });

  test('how busy the thread of calls is, is told in seconds', async () => {
    watch(() => Promise.resolve([]));
    expect(new Scrape(await metrics.text()).value('tercet_calls_busy_seconds_total')).toBe(1.5);
  });

  test('the log is read once for those who ask within some seconds', async () => {
    watch(async () => {
      reads += 1;
      return [{ status: 'open', count: 2, parked: 0, oldestMs: 1500, oldestParkedMs: null }];
    });
    const [first, second] = [await metrics.text(), await metrics.text()].map((text) => new Scrape(text));
    expect(reads).toBe(1);
    expect(first?.value('tercet_oldest_unfinished_seconds{status="open"}')).toBe(1.5);
    expect(second?.value('tercet_unfinished_transactions{status="open"}')).toBe(2);
  });

  test('a log that does not answer holds nobody up, and is not asked again meanwhile', async () => {
    watch(() => {
      reads += 1;
      return new Promise(() => undefined);
    });
    const scrapes = await Promise.all([1, 2].map(async () => new Scrape(await metrics.text())));
    for (const scrape of scrapes) {
      expect(scrape.value('tercet_database_up')).toBe(0);
      expect(scrape.of('tercet_parked_transactions')).toEqual({});
      expect(scrape.value('tercet_ready')).toBe(1);
    }
    expect(reads).toBe(1);
  });
});
