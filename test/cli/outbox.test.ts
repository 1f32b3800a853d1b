/** tercet outbox: what waits and why, and orders for dead letters. */
import { TestNode } from '../http/node.js';
import { lines, tercet } from './tercet.js';
import type { Ended } from './tercet.js';

let node: TestNode;

const run = (...args: string[]): Promise<Ended> => tercet(args, { TERCET_URL: node.url });

beforeAll(async () => {
  // Nobody listens there.
  node = await TestNode.start({ KAFKA_BROKERS: '127.0.0.1:1' });
  await node.component('order');
  await node.post('/v1/transactions', {
    mode: 'message',
    gid: 'paid',
    check: { component: 'order' },
    deliveries: [
      { branchId: 'points', topic: 'order-paid', key: 'order-17' },
      { branchId: 'news', topic: 'order-news' },
    ],
  });
  await node.post('/v1/transactions/paid/submit', {});
  for (const id of [11, 12, 13]) {
    await node.sql(
      `INSERT INTO tercet.outbox_dead (bucket, id, message_id, topic, payload, headers, created_at, error)
       VALUES (7, $1, $2, 'order-paid', '{}', '{}', now(), E'too\\x1b[31m large')`,
      [id, `gid-${id}/points`],
    );
  }
});

afterAll(() => node.stop());

test('what waits by topic, who sends it, and what is wrong', async () => {
  let told: Ended;
  do told = await run('outbox');
  while (!told.stdout.includes('broker'));
  expect([told.code, told.stderr]).toEqual([0, '']);
  expect(told.stdout).toMatch(/^ {2}waiting +2 messages, the oldest for \d+/m);
  expect(told.stdout).toMatch(/^ {2}senders +1 node$/m);
  expect(told.stdout).toMatch(/^ {2}dead +3 messages: tercet outbox dead$/m);
  expect(told.stdout.replace(/\s+/g, ' ')).toMatch(/broker since \d+s: .*ECONNREFUSED 127\.0\.0\.1:1/);
  expect(told.stdout).toMatch(/^TOPIC +WAITING +OLDEST\norder-news +1 .*\norder-paid +1 /m);
  expect(JSON.parse((await run('outbox', '--json')).stdout)).toMatchObject({ rows: 2, dead: 3 });
});

test('a delivery to a topic shows where it goes', async () => {
  const { stdout } = await run('tx', 'show', 'paid');
  expect(stdout).toMatch(/^points +topic order-paid, key order-17 +queued +0$/m);
  expect(stdout).toMatch(/^news +topic order-news +queued +0$/m);
});

test('dead letters with what Kafka said, page by page, and safe for a terminal', async () => {
  const first = await run('outbox', 'dead', '--limit', '2');
  expect(lines(first)[0]).toMatch(/^ID +MESSAGE +TOPIC +AGE +WHY$/);
  expect(lines(first)[1]).toMatch(/^11 +gid-11\/points +order-paid +\ds +too·\[31m large$/);
  expect(first.stderr).toBe('there are more: --after 12 shows them\n');
  expect(lines(await run('outbox', 'dead', '--after', '12')).slice(1)).toHaveLength(1);
});

test('orders: each needs a reason; what is refused does not keep the others', async () => {
  expect(await run('outbox', 'requeue', '11')).toMatchObject({ code: 2, stdout: '' });
  expect(await run('outbox', 'requeue', '11', '--reason', 'x', '--at', 'top')).toMatchObject({ code: 2 });
  const back = await run('outbox', 'requeue', '99', '11', '--reason', 'repaired', '--at', 'place');
  expect([back.code, back.stdout]).toEqual([3, '11  back on its way to order-paid: gid-11/points\n']);
  expect(back.stderr).toMatch(/^tercet: 99: TERCET_DEAD_LETTER_UNKNOWN: /);
  expect(await run('outbox', 'drop', '12', '--reason', 'by hand, ticket 4')).toEqual({
    code: 0,
    stdout: '12  dropped\n',
    stderr: '',
  });
  expect(lines(await run('outbox', 'dead')).slice(1)).toHaveLength(1);
});
