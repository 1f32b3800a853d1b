/** Gids that the coordinator makes, by each TERCET_IDS. */
import pg from 'pg';
import { decode } from '../../src/ids/decode.js';
import { startRedis, withOwnRedis } from '../support/redis.js';
import { TestNode } from './node.js';

const nodes: TestNode[] = [];

async function start(ids: string, env: Record<string, string> = {}): Promise<TestNode> {
  const node = await TestNode.start({ TERCET_IDS: ids, ...env });
  nodes.push(node);
  await node.component('account');
  return node;
}

afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop();
});

const request = (over: object = {}): object => ({
  mode: 'tcc',
  branches: [{ branchId: 'a', component: 'account', payload: { amount: 1 } }],
  wait: 'settled',
  ...over,
});

const begin = (node: TestNode, over?: object) =>
  node.post<{ gid: string; code: string }>('/v1/transactions', request(over));

async function sql(node: TestNode, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: node.databaseUrl });
  await client.connect();
  await client.query(statement);
  await client.end();
}

test('by default they are UUIDv7', async () => {
  const { status, body } = await begin(await start('uuidv7'));
  expect([status, decode(body.gid).kind]).toEqual([201, 'uuidv7']);
});

test('snowflakes of two nodes have the worker ids of their members', async () => {
  const one = await start('snowflake');
  const two = await one.beside({ TERCET_IDS: 'snowflake' });
  try {
    const made = await Promise.all([one, two].map(async (node) => decode((await begin(node)).body.gid)));
    expect(made.map(({ kind }) => kind)).toEqual(['snowflake', 'snowflake']);
    expect(made.map((id) => (id as { worker: number }).worker).sort()).toEqual([0, 1]);
    const { body } = await one.get<string>('/metrics');
    expect(body).toMatch(/^tercet_ids_made_total 1$/m);
    expect(body).toMatch(/^tercet_ids_left_seconds (2[0-9]|30)(\.\d+)?$/m);
  } finally {
    await two.drain();
  }
});

test.each(['segment', 'sequence'])(
  'of a %s they are numbers, and one that a client had used is passed over',
  async (ids) => {
    const node = await start(ids);
    const asked = node.participant.asked.length;
    const own = [];
    // The same content, and another one.
    for (const over of [{ gid: '2' }, { gid: '4', businessKey: 'x' }]) own.push(await begin(node, over));
    const made = [];
    for (let count = 0; count < 3; count += 1) made.push(await begin(node));
    expect(made.map(({ status, body }) => [status, body.gid])).toEqual([
      [201, '1'],
      [201, '3'],
      [201, '5'],
    ]);
    expect(own.map(({ status }) => status)).toEqual([201, 201]);
    expect(node.participant.asked.length - asked).toBe(10);
  },
);

test('when all that are made are in use, it says so and begins nothing', async () => {
  const node = await start('sequence');
  for (let gid = 1; gid <= 5; gid += 1) await begin(node, { gid: String(gid) });
  const { status, body } = await begin(node);
  expect([status, body.code]).toEqual([503, 'TERCET_ID_UNSAFE']);
  expect((await begin(node)).body.gid).toBe('6');
});

test('while their store is away, a begin without a gid is 503 in words, one with a gid is begun, and it comes back', async () => {
  const node = await start('sequence');
  await sql(node, 'ALTER SEQUENCE tercet.id_sequence RENAME TO away');
  const refused = await begin(node);
  expect(refused).toMatchObject({ status: 503, body: { code: 'TERCET_ID_UNAVAILABLE' } });
  expect(refused.headers.get('retry-after')).toBe('1');
  const { status, body } = await node.get<{ ready: boolean; warnings: string[] }>('/health/ready');
  expect([status, body.warnings]).toEqual([
    200,
    ['ids: the database does not give new ones, and there are none in stock'],
  ]);
  expect((await begin(node, { gid: 'mine' })).status).toBe(201);
  await sql(node, 'ALTER SEQUENCE tercet.away RENAME TO id_sequence');
  expect((await begin(node)).body.gid).toBe('1');
  const scrape = await node.get<string>('/metrics');
  expect(scrape.body).toMatch(/^tercet_ids_store_failures_total 1$/m);
});

test('a sequence that does not count as was said stops the start, with what to run', async () => {
  await expect(start('sequence:2/3')).rejects.toMatchObject({
    code: 'TERCET_ID_UNSAFE',
    detail: expect.stringContaining('ALTER SEQUENCE tercet.id_sequence START WITH 2 INCREMENT BY 3 RESTART') as string,
  });
});

withOwnRedis()('over Redis', () => {
  test('they are numbers of the one that keeps what it has answered; another one stops the start', async () => {
    const [safe, unsafe] = await Promise.all([startRedis('--appendonly', 'yes'), startRedis('--appendonly', 'no')]);
    try {
      const node = await start('redis', { REDIS_URL: safe.url });
      expect([(await begin(node)).body.gid, (await begin(node)).body.gid]).toEqual(['1', '2']);
      await safe.kill();
      expect(await begin(node)).toMatchObject({ status: 503, body: { code: 'TERCET_ID_UNAVAILABLE' } });
      await expect(start('redis', { REDIS_URL: unsafe.url })).rejects.toMatchObject({ code: 'TERCET_ID_UNSAFE' });
    } finally {
      await Promise.all([safe.kill(), unsafe.kill()]);
    }
  });
});
