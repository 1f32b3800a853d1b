/** Without keys a web page in the browser of whoever runs a node cannot use it: docs/wire.md, section 1, "Web pages". */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { TercetClient } from '../../src/client/index.js';
import { newKey } from '../../src/http/keys.js';
import type { Problem } from '../../src/protocol/words.js';
import { tercet } from '../cli/tercet.js';
import { TestNode } from './node.js';
import { routesOfApplication } from './routes.js';

interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly problem: Partial<Problem>;
}

/** As bare as it is sent here: `host` and `origin` can be anything. */
function send(to: TestNode, method: string, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(to.url);
    const sent = request({ hostname, port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isProblem = response.headers['content-type']?.includes('problem+json') ?? false;
        const problem = isProblem && text !== '' ? (JSON.parse(text) as Problem) : {};
        resolve({ status: response.statusCode ?? 0, headers: response.headers, problem });
      });
    });
    sent.on('error', reject).end();
  });
}

/** Calls that need no key where there are keys. */
const FREE = /^get \/(health\/|openapi\.json$|docs)/;
const routes = await routesOfApplication();
const key = newKey('admin', 'admin');
let node: TestNode;
let port: string;

beforeAll(async () => {
  node = await TestNode.start();
  port = new URL(node.url).port;
  await node.component('account');
});

afterAll(() => node.stop());

beforeEach(async () => {
  await node.post('/v1/transactions', { mode: 'tcc', gid: 'open', drive: 'initiator', deadlineMs: 3_600_000 });
});

const pathOf = (route: string): [string, string] => {
  const [method = '', template = ''] = route.split(' ');
  const values = { gid: 'open', branchId: 'a', name: 'account', instance: 'i-1', file: 'none' };
  return [method.toUpperCase(), template.replace(/\{(\w+)\}/g, (_all, name: string) => values[name as 'gid'])];
};

/** What browsers send for a page that is not the node's. */
const PAGES = (own: string): Record<string, string>[] => [
  { origin: 'https://evil.example' },
  { origin: 'http://localhost:1' },
  { origin: 'http://localhost' },
  { origin: `http://127.0.0.1:${own}0` },
  { origin: `http://localhost:${own}` },
  { origin: `http://evil.example:${own}` },
  { origin: `http://127.0.0.1:${own}.evil.example` },
  { origin: `ftp://127.0.0.1:${own}` },
  { origin: 'null' },
  { origin: '' },
  { origin: 'chrome-extension://abc' },
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site' },
  { 'sec-fetch-site': 'none, cross-site' },
  { origin: `http://127.0.0.1:${own}`, 'sec-fetch-site': 'cross-site' },
  { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
];

/** What they send for a page whose own name was made to lead here. */
const HOSTS = (own: string): string[] => [
  'evil.example',
  `evil.example:${own}`,
  `127.0.0.1.evil.example:${own}`,
  `localhost.evil.example:${own}`,
  `tercet.localhost:${own}`,
  `localhost.:${own}`,
  `localhost@evil.example:${own}`,
  `evil.example#localhost:${own}`,
  `localhost:${own}:1`,
  `10.0.0.1:${own}`,
  `0.0.0.0:${own}`,
  `[::ffff:127.0.0.1]:${own}`,
  `[::]:${own}`,
  '::1',
  '127.0.0.1.5',
  '1270.0.0.1',
];

describe.each(routes.filter((route) => !FREE.test(route)))('%s', (route) => {
  const [method, path] = pathOf(route);

  test('is 403 for pages of other origins and by other names, and changes nothing', async () => {
    const before = await node.recorded();
    const rebound = HOSTS(port).flatMap((host) => [
      { host },
      { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' },
    ]);
    const answers = await Promise.all(
      [...PAGES(port), ...rebound].map(async (sent) => ({ sent, ...(await send(node, method, path, sent)) })),
    );
    const passed = answers.filter(({ status }) => status !== 403).map(({ sent }) => sent);
    expect(passed).toEqual([]);
    expect([...new Set(answers.map(({ problem }) => problem.code))]).toEqual(['TERCET_ORIGIN_FORBIDDEN']);
    expect(await node.recorded()).toEqual(before);
  });
});

test('a refusal says what was seen, and what to do', async () => {
  const said = async (headers: Record<string, string>): Promise<string | undefined> =>
    (await send(node, 'GET', '/v1/components', headers)).problem.detail;
  expect(await said({ origin: 'https://evil.example' })).toBe(
    "the request comes from a web page of 'https://evil.example', and without keys a node takes none from pages but its own; set TERCET_KEYS and send a key",
  );
  expect(await said({ 'sec-fetch-site': 'cross-site' })).toContain('a web page of another site');
  expect(await said({ host: 'tercet.internal' })).toMatch(
    /^the request is for the host 'tercet\.internal', .*proxy, set TERCET_KEYS and send a key$/,
  );
});

test('a request that names no host, as HTTP/1.0 may, is refused', async () => {
  const socket = connect(Number(port), '127.0.0.1');
  socket.write('GET /v1/components HTTP/1.0\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 403 /);
});

test('a path of nothing is refused like the others, and a preflight is told of nothing that it may', async () => {
  const origin = 'https://evil.example';
  expect((await send(node, 'GET', '/v1/none', { origin })).problem.code).toBe('TERCET_ORIGIN_FORBIDDEN');
  const asked = { origin, 'access-control-request-method': 'PUT', 'access-control-request-private-network': 'true' };
  const { status, headers } = await send(node, 'OPTIONS', '/v1/components/account', asked);
  expect(status).toBe(403);
  expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
});

test.each(['', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])(
  'a form of a page (%j), which needs no preflight, decides nothing',
  async (type) => {
    for (const action of ['submit', 'abort']) {
      const headers = {
        origin: 'https://evil.example',
        ...(type ? { 'content-type': type } : {}),
        'content-length': '0',
      };
      expect((await send(node, 'POST', `/v1/transactions/open/${action}`, headers)).status).toBe(403);
    }
    expect((await node.get('/v1/transactions/open')).body.status).toBe('open');
  },
);

test.each(routes.filter((route) => FREE.test(route)))('%s is for everybody', async (route) => {
  const [method, path] = pathOf(route);
  for (const headers of [
    { host: 'evil.example' },
    { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
  ]) {
    expect((await send(node, method, path, headers)).status).not.toBe(403);
  }
});

test('pages of the node itself, and whoever types its address, are let in by each name of loopback', async () => {
  const names = ['localhost', 'LOCALHOST', '127.0.0.1', '127.255.3.4', '[::1]'];
  for (const host of names.flatMap((name) => [name, `${name}:${port}`, `${name}:1`])) {
    const sent: Record<string, string>[] = [
      { host },
      { host, 'sec-fetch-site': 'none' },
      { host, 'sec-fetch-site': 'same-origin' },
      { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' },
      { host, origin: `https://${host.toLowerCase()}` },
    ];
    for (const headers of sent)
      expect([headers, (await send(node, 'GET', '/v1/components', headers)).status]).toEqual([headers, 200]);
  }
});

test('the client, the command line and curl are let in', async () => {
  const client = new TercetClient({ url: node.url });
  const begun = await client.begin({ mode: 'tcc', drive: 'initiator', gid: 'by-client' });
  expect((await client.abort(begun.gid)).status).toMatch(/abort/);
  const listed = await tercet(['component', 'list', '--json'], { TERCET_URL: `http://localhost:${port}` });
  expect([listed.code, listed.stdout]).toEqual([0, expect.stringContaining('account')]);
  const url = `${node.url}/v1/transactions/by-curl`;
  await node.post('/v1/transactions', { mode: 'tcc', gid: 'by-curl', drive: 'initiator' });
  const { stdout } = await promisify(execFile)('curl', ['-s', '-X', 'POST', `${url}/abort`]);
  expect(JSON.parse(stdout)).toMatchObject({ gid: 'by-curl', decision: 'abort' });
});

test('with keys the key alone counts, since no browser adds it by itself', async () => {
  const keyed = await node.beside({ TERCET_KEYS: key.entry });
  const rebound = { host: 'tercet.example', origin: 'https://tercet.example', 'sec-fetch-site': 'cross-site' };
  const authorization = `Bearer ${key.key}`;
  expect((await send(keyed, 'GET', '/v1/components', { ...rebound, authorization })).status).toBe(200);
  expect((await send(keyed, 'GET', '/v1/components', rebound)).problem.code).toBe('TERCET_KEY_INVALID');
  await keyed.drain();
});
