/** What an instance gets, and when: long polls and secrets of the configuration, docs/wire.md section 10. */
import { hash, randomBytes } from 'node:crypto';
import pg from 'pg';
import { canonicalJson } from '../../src/config/canonical.js';
import { newKey } from '../../src/http/keys.js';
import type { NamespaceView, ValuesView } from '../../src/protocol/config.js';
import type { Json } from '../../src/protocol/words.js';
import { until } from '../client/until.js';
import { TestNode } from './node.js';
import type { Reply } from './node.js';

const BECAUSE = { reason: 'because' };
const KEYS = { TERCET_CONFIG_KEYS: `k1:${randomBytes(32).toString('base64')}` };
const PATH = '/v1/config/shop';
const asked = (rest: string): string => `${PATH}/values?instance=i&namespaces=orders${rest}`;

async function release(node: TestNode, content: object, over: object = {}, namespace = 'orders'): Promise<void> {
  const place = `${PATH}/namespaces/${namespace}`;
  const { status, body } = await node.get<NamespaceView>(place);
  if (status === 404) await node.put(place, {});
  const base = status === 404 ? null : body.release;
  const seen = body.draft ? { revision: body.draft.revision } : {};
  const draft = await node.put(`${place}/draft`, { base, ...seen, content, ...BECAUSE });
  expect(draft.status).toBe(200);
  expect((await node.post(`${PATH}/releases`, { namespaces: [namespace], ...BECAUSE, ...over })).status).toBe(201);
}

describe('values', () => {
  let node: TestNode;

  beforeAll(async () => {
    node = await TestNode.start(KEYS);
    await release(node, { n: 0, ü: { b: 1, a: [1.5, null] } });
  });

  afterAll(() => node.stop());

  const got = (rest = ''): Promise<Reply<ValuesView>> => node.get<ValuesView>(asked(rest));
  const checksum = async (rest = ''): Promise<string> => (await got(rest)).body.checksum;
  /** Resolves with the answer and how long it took, ms. */
  const timed = async <T>(waiting: Promise<T>): Promise<{ answer: T; ms: number }> => {
    const from = performance.now();
    return { answer: await waiting, ms: performance.now() - from };
  };

  test('what came can be checked by its checksum, and is 204 for who has it', async () => {
    const { status, headers, body } = await got();
    expect([status, headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
    expect(body.checksum).toBe(hash('sha256', canonicalJson(body.namespaces as unknown as Json), 'hex'));
    const same = await got(`&have=${body.checksum}`);
    expect([same.status, same.body]).toEqual([204, null]);
    expect((await got(`&have=${'0'.repeat(64)}&waitMs=60000`)).status).toBe(200);
    expect((await got('&have=x')).status).toBe(400);
    expect((await got('&waitMs=60001')).status).toBe(400);
    expect((await node.get(`${PATH}/values?namespaces=orders`)).status).toBe(400);
  });

  test('what was just released is seen by the next who asks', async () => {
    for (let n = 1; n <= 5; n += 1) {
      await release(node, { n });
      expect((await got()).body.namespaces['orders']?.content).toEqual({ n });
    }
  });

  test('what a failover lost and somebody released again under its number is what everybody gets', async () => {
    await release(node, { n: 'lost' });
    expect((await got()).body.namespaces['orders']?.content).toEqual({ n: 'lost' });
    const content = '{"n":"again"}';
    const client = new pg.Client({ connectionString: node.databaseUrl });
    await client.connect();
    const { rowCount } = await client.query(
      `UPDATE tercet.config_content SET content = $1, checksum = $2
        WHERE environment = 'shop' AND content LIKE '%"lost"%'`,
      [content, hash('sha256', content, 'hex')],
    );
    await client.end();
    expect(rowCount).toBe(1);
    await until('it is there', async () => (await got()).body.namespaces['orders']?.content.n === 'again');
  });

  test('who waits is answered when it changes, well within the second of the look', async () => {
    const have = await checksum();
    let slowest = 0;
    for (let n = 10; n < 13; n += 1) {
      const waiting = timed(got(`&have=${n === 10 ? have : await checksum()}&waitMs=30000`));
      await release(node, { n });
      const released = performance.now();
      const { answer } = await waiting;
      slowest = Math.max(slowest, performance.now() - released);
      expect(answer.body.namespaces['orders']?.content).toEqual({ n });
    }
    expect(slowest).toBeLessThan(900);
  });

  test('who waits is answered 204 when his time is over, and not by what is none of his', async () => {
    const have = await checksum();
    const waiting = timed(got(`&have=${have}&waitMs=1500`));
    await release(node, { other: true }, {}, 'stock');
    const { answer, ms } = await waiting;
    expect(answer.status).toBe(204);
    expect(ms).toBeGreaterThan(1400);
  });

  test('a namespace that does not exist is left out, and who waits is answered as soon as it is released', async () => {
    await release(node, { n: 'there' });
    const both = (rest = ''): Promise<Reply<ValuesView>> =>
      node.get<ValuesView>(`${PATH}/values?instance=i&namespaces=later,orders${rest}`);
    const { status, body } = await both();
    expect([status, Object.keys(body.namespaces)]).toEqual([200, ['orders']]);
    expect((await node.get<ValuesView>(`${PATH}/values?instance=i&namespaces=later`)).body.namespaces).toEqual({});
    const waiting = both(`&have=${body.checksum}&waitMs=30000`);
    await release(node, { m: 1 }, {}, 'later');
    expect((await waiting).body.namespaces).toMatchObject({
      orders: { content: { n: 'there' } },
      later: { content: { m: 1 } },
    });
  });

  test('a gray release wakes those that it is for, and its end too', async () => {
    const [a, b] = ['&labels=zone=a', '&labels=zone=b'];
    const waits = [`${a}&have=${await checksum(a)}&waitMs=20000`, `${b}&have=${await checksum(b)}&waitMs=2000`];
    const [first, second] = waits.map((rest) => got(rest));
    await release(node, { n: 'gray' }, { mode: 'gray', gray: { labels: { zone: 'a' } } });
    expect((await first)?.body.namespaces['orders']?.content).toEqual({ n: 'gray' });
    expect((await second)?.status).toBe(204);
    const back = got(`${a}&have=${await checksum(a)}&waitMs=20000`);
    await node.post(`${PATH}/rollout/abort`, BECAUSE);
    expect((await back).status).toBe(200);
  });

  test('hundreds that wait are all answered by one release, with one text', async () => {
    const have = await checksum();
    const waiting = Array.from({ length: 300 }, () => got(`&have=${have}&waitMs=30000`));
    await until('they wait', async () =>
      /tercet_http_requests_in_flight\D* (2[5-9]\d|3\d\d)/.test((await node.get<string>('/metrics')).body),
    );
    await release(node, { n: 'all' });
    const answers = await Promise.all(waiting);
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.checksum}`)).size).toBe(1);
    expect(answers[0]?.body.namespaces['orders']?.content).toEqual({ n: 'all' });
  });
});

test('a drain answers who waits with 204', async () => {
  const node = await TestNode.start(KEYS);
  await release(node, { n: 1 });
  const { body } = await node.get<ValuesView>(asked(''));
  const waiting = node.get(asked(`&have=${body.checksum}&waitMs=60000`));
  await until('it waits', async () =>
    (await node.get<string>('/metrics')).body.includes('\ntercet_http_requests_in_flight 1\n'),
  );
  const from = performance.now();
  await node.drain();
  expect((await waiting).status).toBe(204);
  expect(performance.now() - from).toBeLessThan(10_000);
  await node.stop({ drained: true });
});

test('secrets in clear are for who may read those of that environment', async () => {
  const names = {
    reader: 'config-reader=shop',
    other: 'config-reader=other',
    viewer: 'viewer',
    editor: 'config-editor=shop',
    admin: 'admin',
  };
  const keys = Object.fromEntries(Object.entries(names).map(([name, roles]) => [name, newKey(name, roles)]));
  const TERCET_KEYS = Object.values(keys)
    .map(({ entry }) => entry)
    .join(' ');
  const node = await TestNode.start({ ...KEYS, TERCET_KEYS });
  const as = <T>(name: string, method: string, path: string, body?: object): Promise<Reply<T>> =>
    node.send<T>(method, path, body, { authorization: `Bearer ${keys[name]?.key}` });
  const place = `${PATH}/namespaces/orders`;
  await as('admin', 'PUT', place, {});
  await as('editor', 'PUT', `${place}/draft`, { base: null, content: { db: { $secret: 'hunter2' } }, ...BECAUSE });
  expect((await as<{ code: string }>('editor', 'POST', `${PATH}/releases`, BECAUSE)).body.code).toBe(
    'TERCET_ROLE_FORBIDDEN',
  );
  await as('admin', 'POST', `${PATH}/releases`, BECAUSE);
  const plain = asked('&secrets=plain');
  for (const name of ['other', 'viewer', 'editor']) {
    const refused = await as<{ code: string }>(name, 'GET', plain);
    expect([name, refused.status, refused.body.code]).toEqual([name, 403, 'TERCET_CONFIG_SECRET_FORBIDDEN']);
    const masked = await as<ValuesView>(name, 'GET', asked(''));
    expect(masked.body.namespaces['orders']?.content).toEqual({ db: '••••••' });
  }
  for (const name of ['reader', 'admin']) {
    expect((await as<ValuesView>(name, 'GET', plain)).body.namespaces['orders']?.content).toEqual({ db: 'hunter2' });
  }
  const audit = await as<{ entries: { by: string; action: string }[] }>('viewer', 'GET', `${PATH}/audit`);
  expect(audit.body.entries.find(({ action }) => action === 'draft')?.by).toBe('editor');
  const guess = { base: 1, content: { db: { $secret: 'hunter2' } }, ...BECAUSE };
  const { revision } = (await as<{ revision: number }>('editor', 'PUT', `${place}/draft`, guess)).body;
  const shown = async (name: string): Promise<unknown> =>
    (await as<{ diff: unknown }>(name, 'PUT', `${place}/draft`, guess)).body.diff;
  expect(await shown('editor')).toHaveLength(1);
  expect((await as('admin', 'PUT', `${place}/draft`, { ...guess, revision })).status).toBe(200);
  expect([await shown('editor'), await shown('admin')]).toEqual([[expect.anything()], []]);
  await node.stop();
});
