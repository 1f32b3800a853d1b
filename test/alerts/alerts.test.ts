/** What is told through the webhook, by which node, and how often. */
import { Alerts } from '../../src/alerts/alerts.js';
import type { Transaction } from '../../src/domain/transaction.js';
import { transaction } from '../contract/sample.js';
import { begin, TestNode } from '../http/node.js';
import { ManualClock } from '../participants/manual-clock.js';
import { Service } from '../participants/service.js';
import { Scrape } from '../support/prometheus.js';

const AGE_MS = 300_000;
const HOUR_MS = 3_600_000;

interface Post {
  readonly kind: string;
  readonly node: string;
  readonly at: string;
  readonly count: number;
  readonly state?: string;
  readonly transactions: { readonly gid: string; readonly why?: string }[];
}

describe('by the clock', () => {
  let clock: ManualClock;
  let posts: Post[];
  let driven: Transaction[];
  let alerts: Alerts;

  beforeEach(() => {
    clock = new ManualClock();
    posts = [];
    driven = [];
    const webhook = { post: (body: object) => void posts.push(body as Post), stop: async () => undefined };
    const held = (tx: Transaction) => ({ saved: { tx, owner: 'm', epoch: 1, version: 1 }, isCalling: false });
    const underWay = () => driven.map(held);
    alerts = new Alerts(webhook, { node: 'north', clock, ageMs: () => AGE_MS, underWay });
    alerts.start();
  });

  afterEach(() => alerts.stop());

  const begunNow = (gid: string, over: Partial<Transaction> = {}): Transaction =>
    transaction({ gid, beganAt: clock.now(), deadlineAt: null, ...over });
  const parkedNow = (gid: string): Transaction =>
    begunNow(gid, { parked: { at: clock.now(), branchId: 'a', op: 'confirm', why: 'no answer' } });

  test('a thousand parked transactions are one post, which lists a hundred and counts all', () => {
    for (let index = 0; index < 1000; index += 1) alerts.parked(parkedNow(`g-${index}`));
    expect(posts).toEqual([]);
    clock.pass(1000);
    expect(posts).toHaveLength(1);
    expect(posts[0]).toMatchObject({ kind: 'parked', node: 'north', count: 1000 });
    expect(posts[0]!.transactions).toHaveLength(100);
    expect(posts[0]!.transactions[7]).toMatchObject({ gid: 'g-7', branchId: 'a', op: 'confirm', why: 'no answer' });
    alerts.parked(parkedNow('later'));
    clock.pass(1000);
    expect(posts.map(({ count }) => count)).toEqual([1000, 1]);
  });

  test('what waits to be told together is told when the node ends', async () => {
    alerts.parked(parkedNow('last'));
    await alerts.stop();
    expect(posts.map(({ transactions }) => transactions[0]?.gid)).toEqual(['last']);
  });

  test('age is told once when it begins, again after an hour while it lasts, and once when it is over', () => {
    driven = [begunNow('old')];
    clock.pass(AGE_MS - 20_000);
    expect(posts).toEqual([]);
    clock.pass(40_000);
    driven.push(begunNow('new'));
    expect(posts).toMatchObject([
      { kind: 'unfinished-age', state: 'firing', count: 1, transactions: [{ gid: 'old' }] },
    ]);
    clock.pass(HOUR_MS - 60_000);
    expect(posts).toHaveLength(1);
    clock.pass(120_000);
    expect(posts.slice(1)).toMatchObject([
      { state: 'firing', count: 2, transactions: [{ gid: 'old' }, { gid: 'new' }] },
    ]);
    driven = [];
    clock.pass(HOUR_MS * 3);
    expect(posts.slice(2)).toMatchObject([{ state: 'resolved', count: 0, transactions: [] }]);
  });

  test('what is open and has time left until its deadline is not late; decided, or past it, it is', () => {
    driven = [begunNow('patient', { status: 'open', deadlineAt: clock.now() + HOUR_MS })];
    clock.pass(HOUR_MS - 1000);
    expect(posts).toEqual([]);
    clock.pass(30_000);
    expect(posts).toMatchObject([{ transactions: [{ gid: 'patient', status: 'open' }] }]);
  });

  test('a message that was decided and goes out later is not late before', () => {
    const check = { afterMs: 1, intervalMs: 1, maxAttempts: 1 };
    const message = { check, deliverAt: clock.now() + HOUR_MS };
    driven = [begunNow('tomorrow', { mode: 'message', status: 'committing', decision: 'commit', message })];
    clock.pass(HOUR_MS - 1000);
    expect(posts).toEqual([]);
    clock.pass(30_000);
    expect(posts).toMatchObject([{ transactions: [{ gid: 'tomorrow', status: 'committing' }] }]);
  });
});

test('a node posts what it parks, and not what a person parks', async () => {
  const receiver = await Service.start();
  const node = await TestNode.start({ TERCET_ALERT_URL: receiver.url, TERCET_NODE: 'north' });
  await node.component('account', { retry: { baseMs: 1, capMs: 1, maxAttempts: 2 } });
  await node.post('/v1/transactions', { mode: 'tcc', gid: 'by-hand', drive: 'initiator' });
  await node.post('/v1/transactions/by-hand/park', { reason: 'look at it' });
  node.participant.answer = (response, { call }) => void response.writeHead(call.op === 'try' ? 200 : 500).end('{}');
  await node.post('/v1/transactions', begin({ gid: 'stuck', wait: 'settled' }));
  await receiver.wasAsked(1);
  const post = JSON.parse(receiver.asked[0]!.text) as Post;
  expect(post).toMatchObject({ kind: 'parked', node: 'north', count: 1 });
  expect(post.transactions).toMatchObject([{ gid: 'stuck', branchId: 'a', op: 'confirm' }]);
  expect(post.transactions[0]!.why).toContain('failed 2 times');
  let scrape = await Scrape.of(node.url);
  while (scrape.value('tercet_alert_posts_total{outcome="delivered"}') !== 1) scrape = await Scrape.of(node.url);
  node.participant.answer = (response) => void response.end();
  await node.stop();
  expect(receiver.asked).toHaveLength(1);
  await receiver.stop();
});

test('a node posts what is unfinished for too long, and that it is over', async () => {
  const receiver = await Service.start();
  const node = await TestNode.start({ TERCET_ALERT_URL: receiver.url, TERCET_ALERT_AGE_MS: '1000' });
  await node.component('account');
  const release = node.hold('confirm');
  await node.post('/v1/transactions', begin({ gid: 'slow' }));
  await receiver.wasAsked(1);
  release();
  await receiver.wasAsked(2);
  const posts = receiver.asked.map(({ text }) => JSON.parse(text) as Post);
  expect(posts.map(({ kind, state, count }) => [kind, state, count])).toEqual([
    ['unfinished-age', 'firing', 1],
    ['unfinished-age', 'resolved', 0],
  ]);
  expect(posts[0]!.transactions).toMatchObject([{ gid: 'slow', status: 'committing' }]);
  await node.stop();
  await receiver.stop();
});
