/** A node that is asked for more than it may take says so at once, and still says how it is: docs/wire.md, section 2. */
import { request } from 'node:http';
import { begin, TestNode } from './node.js';
import { json } from '../participants/service.js';

test('beyond TERCET_MAX_UNFINISHED begins are refused with 429, and known gids answered', async () => {
  const node = await TestNode.start({ TERCET_MAX_UNFINISHED: '4' });
  await node.component('account');
  const initiated = (gid: string): object => ({ mode: 'tcc', gid, drive: 'initiator' });
  for (const gid of ['a', 'b', 'c', 'd']) await node.post('/v1/transactions', initiated(gid));
  const { status, headers, body } = await node.send('POST', '/v1/transactions', initiated('e'));
  expect([status, body.code, headers.get('retry-after')]).toEqual([429, 'TERCET_TRANSACTIONS_TOO_MANY', '1']);
  expect((await node.post('/v1/transactions', initiated('a'))).status).toBe(202);
  await node.post('/v1/transactions/a/abort', { wait: 'settled' });
  expect((await node.post('/v1/transactions', initiated('e'))).status).toBe(202);
  await node.stop();
});

test('three quarters of them may be of one component, and the rest is for others (G10)', async () => {
  const node = await TestNode.start({ TERCET_MAX_UNFINISHED: '4' });
  for (const name of ['account', 'healthy']) await node.component(name);
  const release = node.hold('try');
  for (const gid of ['a', 'b', 'c']) await node.post('/v1/transactions', begin({ gid, wait: 'accepted' }));
  const refused = await node.send('POST', '/v1/transactions', begin({ gid: 'd' }));
  expect([refused.status, refused.body.detail]).toEqual([429, expect.stringContaining("3 transactions of 'account'")]);
  const branches = [{ branchId: 'a', component: 'healthy' }];
  expect((await node.post('/v1/transactions', begin({ branches, wait: 'accepted' }))).status).toBe(202);
  release();
  await node.stop();
});

describe('beyond TERCET_MAX_REQUESTS', () => {
  let node: TestNode;
  const leaving = new AbortController();

  beforeAll(async () => {
    node = await TestNode.start({ TERCET_MAX_REQUESTS: '2' });
    await node.component('account');
    await node.post('/v1/transactions', { mode: 'tcc', gid: 'open', drive: 'initiator' });
    const poll = `${node.url}/v1/transactions/open?wait=settled&waitMs=60000`;
    for (const _ of [1, 2]) void fetch(poll, { signal: leaving.signal }).catch(() => undefined);
    while (!(await text('/metrics')).includes('tercet_http_requests_in_flight 2\n'));
  });

  afterAll(() => node.stop());

  async function text(path: string): Promise<string> {
    return (await fetch(node.url + path)).text();
  }

  test('requests are refused with 503, long polls being counted, and nothing is accepted', async () => {
    const before = await node.recorded();
    const { status, headers, body } = await node.send('POST', '/v1/transactions', begin({ gid: 'refused' }));
    expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'TERCET_NOT_READY', '1']);
    expect(body.detail).toContain('2 requests in flight');
    expect(headers.get('content-type')).toContain('application/problem+json');
    expect(await node.recorded()).toEqual(before);
  });

  test('what takes a limit back is let through: orders of the configuration center', async () => {
    const { status } = await node.send('PUT', '/v1/config/shop/namespaces/orders', {});
    expect(status).toBe(201);
    const order = { reason: 'it was too low' };
    expect((await node.send('POST', '/v1/config/tercet/releases/1/rollback', order)).status).toBe(404);
    expect((await node.send('GET', '/v1/config')).status).toBe(503);
  });

  test('they are refused before their bodies are read', async () => {
    const { hostname, port } = new URL(node.url);
    const headers = { 'content-type': 'application/json', 'content-length': '1000' };
    const asked = request({ hostname, port, method: 'POST', path: '/v1/transactions', headers });
    asked.flushHeaders();
    const status = await new Promise((resolve) => asked.once('response', (answer) => resolve(answer.statusCode)));
    asked.destroy();
    expect(status).toBe(503);
  });

  test('who asks how the node is, is answered, and others again when there is room', async () => {
    expect((await node.get('/health/live')).status).toBe(200);
    expect((await node.get('/health/ready')).status).toBe(200);
    expect(await text('/metrics')).toContain('status="5xx"');
    leaving.abort();
    while (!(await text('/metrics')).includes('tercet_http_requests_in_flight 0\n'));
    node.participant.answer = json({});
    expect((await node.post('/v1/transactions', begin({ wait: 'settled' }))).status).toBe(201);
  });
});
