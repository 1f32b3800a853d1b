/** The proxy of docker-compose.yml, for real: what it lets through, whom it takes out, and what it repeats. */
import { spawnSync } from 'node:child_process';
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newKey } from '../../src/http/keys.js';
import { LIMITS } from '../../src/protocol/words.js';
import type { Problem, TimelineView, TransactionView } from '../../src/protocol/words.js';
import { begin, TestNode } from '../http/node.js';
import { Scrape } from '../support/prometheus.js';
import { CONFIGURATION, Haproxy, haproxy } from './haproxy.js';

const withProxy = haproxy === null ? describe.skip : describe;

async function post(url: string, body: object, path = '/v1/transactions'): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
}

withProxy('its configuration', () => {
  test('is sound', () => {
    const file = new URL('../../ops/haproxy.cfg', import.meta.url).pathname;
    const { status, stderr } = spawnSync(haproxy ?? '', ['-c', '-f', file], { encoding: 'utf8' });
    // The names are those of containers, and mean nothing here.
    const warnings = stderr.split('\n').filter((line) => /WARNING|ALERT/.test(line) && !/could not resolve/.test(line));
    expect({ status, warnings }).toEqual({ status: 0, warnings: [] });
  });

  test('lets a long poll be silent for as long as it may', () => {
    for (const side of ['server', 'client']) {
      const seconds = Number(new RegExp(`timeout ${side} (\\d+)s`).exec(CONFIGURATION)?.[1]);
      expect(seconds * 1000).toBeGreaterThanOrEqual(LIMITS.waitMs + 10_000);
    }
  });
});

withProxy('in front of two nodes', () => {
  let one: TestNode;
  let two: TestNode;
  let proxy: Haproxy;

  beforeAll(async () => {
    one = await TestNode.start({ TERCET_NODE: 'one' });
    two = await one.beside({ TERCET_NODE: 'two' });
    await one.component('account');
    proxy = await Haproxy.start([one.url, two.url]);
  });

  afterAll(async () => {
    await proxy.stop();
    await two.drain();
    await two.participant.stop();
    await one.stop({ drained: true });
  });

  /** The name of the node that took the begin. */
  async function beganAt(gid: string): Promise<string> {
    const { body } = await two.get<TimelineView>(`/v1/transactions/${gid}/timeline`);
    return body.events.find(({ kind }) => kind === 'begun')!.node;
  }

  test('a body as large as may be passes, and the answer to one that is larger comes back', async () => {
    const empty = JSON.stringify(begin({ gid: 'large', branches: large(0) })).length;
    const body = begin({ gid: 'large', branches: large(LIMITS.bodyBytes - empty) });
    expect(JSON.stringify(body)).toHaveLength(LIMITS.bodyBytes);
    expect((await post(proxy.url, body)).status).toBe(201);
    const over = await post(proxy.url, begin({ gid: 'other', branches: large(LIMITS.bodyBytes - empty + 1) }));
    expect(over.status).toBe(413);
    expect(((await over.json()) as Problem).code).toBe('TERCET_REQUEST_TOO_LARGE');
  });

  test('a long poll passes, and is answered when it is over', async () => {
    const release = one.hold('try');
    await post(proxy.url, begin({ gid: 'polled', wait: 'accepted' }));
    const answer = fetch(`${proxy.url}/v1/transactions/polled?wait=settled&waitMs=${LIMITS.waitMs}`);
    await isPolled();
    release();
    const response = await answer;
    expect(response.status).toBe(200);
    expect(((await response.json()) as TransactionView).status).toBe('committed');
  });

  /** Either of the nodes has a request in flight. */
  async function isPolled(): Promise<void> {
    for (;;) {
      for (const { url } of [one, two]) {
        if ((await Scrape.of(url)).value('tercet_http_requests_in_flight') === 1) return;
      }
    }
  }

  test('a node that drains gets no begin any more, and no begin is refused for it', async () => {
    const before = Array.from({ length: 4 }, (_, index) => `before-${index}`);
    for (const gid of before) expect((await post(proxy.url, begin({ gid }))).status).toBe(201);
    expect(new Set(await Promise.all(before.map(beganAt)))).toEqual(new Set(['one', 'two']));
    const release = one.hold('try');
    const asked = one.participant.asked.length;
    await one.post('/v1/transactions', begin({ gid: 'under-way', wait: 'accepted' }));
    await one.participant.wasAsked(asked + 1);
    const drained = one.drain();
    // The proxy has not noticed yet: some of these are sent to the node that refuses them.
    for (let index = 0; index < 10; index += 1) {
      const gid = `while-${index}`;
      expect((await post(proxy.url, begin({ gid, wait: 'accepted' }))).status).toBe(202);
      expect(await beganAt(gid)).toBe('two');
    }
    release();
    await drained;
    expect((await post(proxy.url, begin({ gid: 'after' }))).status).toBe(201);
  });
});

withProxy('in front of a node with keys', () => {
  test('by whatever name it is called, the key passes, and the place of what was begun is a path', async () => {
    const { key, entry } = newKey('both', 'admin');
    const authorization = `Bearer ${key}`;
    const node = await TestNode.start({ TERCET_KEYS: entry });
    await node.send('PUT', '/v1/components/account', { url: node.participant.url }, { authorization });
    const proxy = await Haproxy.start([node.url, node.url]);
    const named = { host: 'tercet.example:444', 'x-forwarded-host': 'other.example', 'x-forwarded-proto': 'https' };
    const body = JSON.stringify(begin({ gid: 'named' }));
    const { status, headers } = await raw(proxy.url, { ...named, authorization }, body);
    expect({ status, location: headers.location }).toEqual({ status: 201, location: '/v1/transactions/named' });
    expect((await raw(proxy.url, named, body)).status).toBe(401);
    await proxy.stop();
    await node.stop();
  });
});

withProxy('a request', () => {
  type Behaviour = (response: ServerResponse) => void;
  const behaviours = {
    'answers 503': (response: ServerResponse) => void response.writeHead(503).end('{}'),
    'answers 429': (response: ServerResponse) => void response.writeHead(429).end('{}'),
    'answers 500': (response: ServerResponse) => void response.writeHead(500).end('{}'),
    'closes without an answer': (response: ServerResponse) => void response.destroy(),
    'breaks off its answer': (response: ServerResponse) =>
      void response.writeHead(201, { 'content-length': 100 }).write('{', () => response.destroy()),
  };
  let servers: Server[];
  let proxy: Haproxy;
  let seen: string[];
  let behave: Behaviour;
  /** Names of those that are not ready, and how often they said so. */
  const unready = new Map<string, number>();

  beforeAll(async () => {
    servers = await Promise.all(['one', 'two'].map((name) => node(name)));
    const [one, two] = servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    proxy = await Haproxy.start([one!, two!]);
  });

  afterAll(async () => {
    await proxy.stop();
  });

  beforeEach(() => (seen = []));

  /** What it does with a POST the test says. */
  async function node(name: string): Promise<Server> {
    const server = createServer((request, response) => {
      if (request.method !== 'POST') {
        const told = unready.get(name);
        if (told !== undefined) unready.set(name, told + 1);
        return void response.writeHead(told === undefined ? 200 : 503).end();
      }
      seen.push(name);
      request.resume().once('end', () => behave(response));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  test.each(['answers 429', 'answers 500', 'closes without an answer', 'breaks off its answer'] as const)(
    'is sent once, when the node %s',
    async (name) => {
      behave = behaviours[name];
      await post(proxy.url, begin()).then(
        (response) => response.text().catch(() => undefined),
        () => undefined,
      );
      expect(seen).toHaveLength(1);
    },
  );

  test('is sent to the other node, and no further, when the node answers 503', async () => {
    behave = behaviours['answers 503'];
    expect((await post(proxy.url, begin())).status).toBe(503);
    expect(seen.toSorted()).toEqual(['one', 'two']);
  });

  test('is not sent to a node that is not ready, until it is', async () => {
    behave = (response) => void response.writeHead(201).end('{}');
    unready.set('one', 0);
    // When it asks again it knows of the first time.
    while (unready.get('one')! < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    for (let index = 0; index < 4; index += 1) expect((await post(proxy.url, begin())).status).toBe(201);
    expect(new Set(seen)).toEqual(new Set(['two']));
    unready.delete('one');
    // And back once it is.
    while (!seen.includes('one')) await post(proxy.url, begin());
  });

  test('goes to the other node when one takes no connections; without any, 503 is told as docs/wire.md has it', async () => {
    behave = (response) => void response.writeHead(201).end('{}');
    const [one, two] = servers;
    await closed(one!);
    for (let index = 0; index < 4; index += 1) expect((await post(proxy.url, begin())).status).toBe(201);
    expect(new Set(seen)).toEqual(new Set(['two']));
    await closed(two!);
    const response = await post(proxy.url, begin());
    expect({ status: response.status, retryAfter: response.headers.get('retry-after') }).toEqual({
      status: 503,
      retryAfter: '1',
    });
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toMatchObject({ code: 'TERCET_NOT_READY', status: 503 });
  });
});

async function closed(server: Server): Promise<void> {
  const ended = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await ended;
}

/** Branches whose payloads have `bytes` bytes together. */
function large(bytes: number): object[] {
  return Array.from({ length: 8 }, (_, index) => {
    const share = Math.floor(bytes / 8) + (index < bytes % 8 ? 1 : 0);
    return { branchId: `b${index}`, component: 'account', payload: 'x'.repeat(share) };
  });
}

/** With headers that `fetch` makes itself. */
function raw(
  url: string,
  headers: Record<string, string>,
  body: string,
): Promise<{ status: number | undefined; headers: IncomingHttpHeaders }> {
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', headers: { 'content-type': 'application/json', ...headers } };
    const request = httpRequest(`${url}/v1/transactions`, options, (response) => {
      response.resume().once('end', () => resolve({ status: response.statusCode, headers: response.headers }));
    });
    request.once('error', reject);
    request.end(body);
  });
}
