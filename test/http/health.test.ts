/** What a node says of itself, and to others, when it is well, drains, or has lost its database: docs/wire.md 1 and 2. */
import { Proxy } from '../support/proxy.js';
import { json } from '../participants/service.js';
import { begin, TestNode } from './node.js';
import type { Reply } from './node.js';

type Ready = { ready: boolean; problems: string[] };

/** Asks until the node says that it is ready, or that it is not. */
async function untilReady(node: TestNode, ready: boolean): Promise<Reply<Ready>> {
  for (;;) {
    const answer = await node.get<Ready>('/health/ready');
    if (answer.body.ready === ready) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('a node that is well is live and ready, whatever the probe adds', async () => {
  const node = await TestNode.start();
  expect(await node.get('/health/live?probe=1')).toMatchObject({ status: 200, body: { live: true } });
  expect(await node.get('/health/ready?probe=1')).toMatchObject({
    status: 200,
    body: { ready: true, problems: [], warnings: [] },
  });
  await node.stop();
});

test('a node that is told to stop says so at once, though history waits for the database', async () => {
  const proxies: Proxy[] = [];
  const node = await TestNode.start({}, async (url) => {
    const proxy = await Proxy.start(url);
    proxy.ignore('tercet retention');
    proxies.push(proxy);
    return proxy.url;
  });
  await node.component('account');
  const release = node.hold('confirm');
  const answer = node.post('/v1/transactions', begin({ wait: 'settled' }));
  await node.participant.wasAsked(2);
  const drained = node.drain();
  const problems = [expect.stringMatching(/^draining/)];
  expect(await node.get('/health/ready')).toMatchObject({ status: 503, body: { problems } });
  release();
  expect((await answer).body.status).toBe('committed');
  await drained;
  await node.stop({ drained: true });
  for (const proxy of proxies) await proxy.stop();
});

describe('when the database is away', () => {
  let node: TestNode;
  let road: Proxy;

  beforeAll(async () => {
    node = await TestNode.start({ TERCET_LEASE_MS: '1000' }, async (url) => (road = await Proxy.start(url)).url);
    await node.component('account');
    await node.post('/v1/transactions', begin({ gid: 'known', wait: 'settled' }));
  });

  afterAll(async () => {
    road.heal();
    await node.stop();
    await road.stop();
  });

  beforeEach(async () => {
    road.heal();
    await untilReady(node, true);
    // So that there are connections that can break.
    await node.post('/v1/transactions', begin({ wait: 'settled' }));
  });

  test('the node is live, not ready and says why; it accepts nothing, and is well again by itself', async () => {
    road.silence();
    road.cut();
    const { status, headers, body } = await untilReady(node, false);
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('1');
    expect(body).toEqual({ ready: false, problems: [expect.stringMatching(/^lease: .*the database/)], warnings: [] });
    expect((await node.get('/health/live')).status).toBe(200);

    const before = await node.recorded();
    const requests: [string, string, unknown?][] = [
      ['POST', '/v1/transactions', begin({ gid: 'refused' })],
      ['POST', '/v1/transactions/known/submit', {}],
      ['GET', '/v1/transactions/known'],
      ['GET', '/v1/transactions'],
      ['PUT', '/v1/components/other', { url: 'http://127.0.0.1:1/' }],
    ];
    const answers = await Promise.all(requests.map(([method, path, sent]) => node.send(method, path, sent)));
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 503, body: { code: 'TERCET_NOT_READY' } });
      expect(answer.headers.get('retry-after')).toBe('1');
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    }
    expect(await node.recorded()).toEqual(before);

    const silent = 'lease: it is not renewed, the database does not answer';
    while ((await node.get<Ready>('/health/ready')).body.problems[0] !== silent);

    road.heal();
    expect((await untilReady(node, true)).status).toBe(200);
    const again = await node.post('/v1/transactions', begin({ gid: 'refused', wait: 'settled' }));
    expect([again.status, again.body.status]).toEqual([201, 'committed']);
    // A connection that is tried while nobody answers is given up after three seconds.
  });

  test('a begin whose answer was lost is 504; the same begin again, or a look, tells what became of it', async () => {
    const request = begin({ gid: 'doubtful', wait: 'settled' });
    road.loseAnswers();
    const { status, body } = await node.send('POST', '/v1/transactions', request);
    expect([status, body.code]).toEqual([504, 'TERCET_OUTCOME_UNKNOWN']);
    road.heal();
    await untilReady(node, true);
    const again = await node.post('/v1/transactions', request);
    expect(again.body.status).toBe('committed');
    expect((await node.get('/v1/transactions/doubtful')).body).toEqual(again.body);
    const tries = node.participant.asked.filter(({ call }) => call.gid === 'doubtful' && call.op === 'try');
    expect(tries.length).toBe(1);
  });

  test('what runs goes on when it is back', async () => {
    const release = node.hold('try');
    const answer = node.post('/v1/transactions', begin({ gid: 'running', wait: 'settled' }));
    const isAsked = (): boolean => node.participant.asked.some(({ call }) => call.gid === 'running');
    while (!isAsked()) await new Promise((resolve) => setTimeout(resolve, 5));
    road.silence();
    road.cut();
    release();
    await untilReady(node, false);
    road.heal();
    const { status, body } = await answer;
    expect([status, body.status]).toEqual([201, 'committed']);
  });
});

test('a node that drains takes no new transaction, answers for those it knows, and tells who waits', async () => {
  const node = await TestNode.start();
  await node.component('account');
  const done = begin({ gid: 'done', wait: 'settled' });
  await node.post('/v1/transactions', done);
  const release = node.hold('confirm');
  const asked = node.participant.asked.length;
  const waiting = node.post('/v1/transactions', begin({ gid: 'running', wait: 'settled' }));
  await node.participant.wasAsked(asked + 2);
  const drained = node.drain();

  const { status, headers, body } = await untilReady(node, false);
  expect([status, headers.get('retry-after'), body]).toEqual([
    503,
    '1',
    { ready: false, problems: ['draining: this node ends, and begins nothing new'], warnings: [] },
  ]);
  const refused = await node.send('POST', '/v1/transactions', begin({ gid: 'new' }));
  expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([
    503,
    'TERCET_NOT_READY',
    '1',
  ]);
  expect((await node.post('/v1/transactions', done)).status).toBe(200);
  expect((await node.send('POST', '/v1/transactions', { ...done, businessKey: 'other' })).status).toBe(409);
  expect((await node.get('/v1/transactions/new')).status).toBe(404);

  release();
  const answer = await waiting;
  expect([answer.status, answer.body.status]).toEqual([201, 'committed']);
  await drained;
  await expect(fetch(`${node.url}/health/live`)).rejects.toThrow();
  node.participant.answer = json({});
  await node.stop({ drained: true });
});
