/** tercet tx on messages: what a person on call sees of half messages, and how one decides in their producer's place. */
import type { TransactionView } from '../../src/protocol/words.js';
import { TestNode } from '../http/node.js';
import { json } from '../participants/service.js';
import { lines, tercet } from './tercet.js';
import type { Ended } from './tercet.js';

let node: TestNode;

const run = (...args: string[]): Promise<Ended> => tercet(args, { TERCET_URL: node.url });
const show = async (gid: string): Promise<string> => (await run('tx', 'show', gid)).stdout;
const begin = async (gid: string, check: object = {}, over: object = {}): Promise<void> => {
  const { status } = await node.post('/v1/transactions', {
    mode: 'message',
    gid,
    check: { component: 'order', ...check },
    deliveries: [{ branchId: 'mail', component: 'mail' }],
    ...over,
  });
  if (status !== 202) throw new Error(`${gid} was answered ${status}`);
};
const until = async (gid: string, fits: (tx: TransactionView) => boolean): Promise<void> => {
  while (!fits((await node.get<TransactionView>(`/v1/transactions/${gid}`)).body));
};

beforeAll(async () => {
  node = await TestNode.start({ TERCET_NODE: 'a' });
  const check = { afterMs: 1, intervalMs: 1, maxAttempts: 2 };
  for (const name of ['order', 'mail']) await node.component(name, { check });
  node.participant.answer = (response, asked) => {
    const { gid, op } = asked.call;
    if (op === 'check' && gid === 'asked') response.writeHead(425).end();
    else if (op === 'check' && gid !== 'rolled-back') response.writeHead(503).end('its database is away');
    else if (op === 'check') json({ reason: 'not paid' }, 409)(response, asked);
    else json({})(response, asked);
  };
  await begin('half', { afterMs: 600_000 });
  await begin('asked', { intervalMs: 600_000 });
  for (const gid of ['parked', 'lost', 'rolled-back']) await begin(gid);
  await begin('later', {}, { deliverAt: '2100-01-01T00:00:00Z' });
  await node.post('/v1/transactions/later/submit', {});
  await until('asked', ({ check: asked }) => asked?.attempts === 1);
  for (const gid of ['parked', 'lost']) await until(gid, ({ parked }) => parked !== null);
  await until('rolled-back', ({ status }) => status === 'aborted');
});

afterAll(() => node.stop());

test('a half message: how its producer is asked, what it answered, and when it will be asked again', async () => {
  const half = await show('half');
  expect(half).toMatch(/^half {2}message {2}open$/m);
  expect(half.replace(/\s+/g, ' ')).toContain(
    'check order is asked after 10m, then every 1 ms and slower, 2 times at most',
  );
  expect(half).toMatch(/waits for +submit or abort; else order will be asked in (10m|9m \d+s)$/m);
  expect(half).toMatch(/^BRANCH +TO +STATE +ATTEMPTS +REPLY$/m);
  const asked = (await show('asked')).replace(/\s+/g, ' ');
  expect(asked).toMatch(/else order will be asked in \S+m( \d+s)? \(asked once, last answer: pending\)/);
  expect(Math.max(...(await show('parked')).split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
});

test('the list says whom each waits for, and of one that was rolled back that nothing is left to do', async () => {
  const rows = lines(await run('tx', 'list', '--mode', 'message')).map((line) => line.split(/ {2,}/));
  const why = Object.fromEntries(rows.map(([gid, , done, , text = '']) => [gid, `${done} ${text}`.trim()]));
  expect(why).toMatchObject({
    half: '0/1 waits for order',
    asked: '0/1 waits for order, asked once',
    parked: expect.stringMatching(/^0\/1 parked: check: check failed 2 times/),
    'rolled-back': '1/1 refused by check: not paid',
    later: '0/1 waits for its time, 2100-01-01 00:00:00Z',
  });
});

test('what waits for its time says until when', async () => {
  const told = await show('later');
  expect(told).toMatch(/deliver at +2100-01-01 00:00:00Z, \+\d+d/);
  expect(told).toMatch(/waits for +its time, 2100-01-01 00:00:00Z, in \d+d/);
});

test('one that is parked at its check names three orders, and each of them is taken', async () => {
  const told = await show('parked');
  const named = [...told.matchAll(/^ {2}(ask again|it committed|it did not) +tercet (tx \w+ parked) --reason "…"$/gm)];
  expect(named.map(([, , order]) => order)).toEqual(['tx resume parked', 'tx submit parked', 'tx abort parked']);
  const ordered = (name: string, gid: string): Promise<Ended> =>
    run('tx', name, gid, '--reason', 'says its own database');
  expect(await ordered('resume', 'parked')).toMatchObject({ code: 0, stderr: '' });
  await until('parked', ({ parked, check }) => parked !== null && check?.attempts === 2);
  expect(await ordered('submit', 'parked')).toMatchObject({ code: 0, stderr: '' });
  await until('parked', ({ status }) => status === 'committed');
  expect(await show('parked')).toMatch(/operator +commit by operator: says its own database/);
  expect(await ordered('abort', 'lost')).toMatchObject({ code: 0, stdout: expect.stringContaining('lost  aborted') });
  expect(await ordered('submit', 'lost')).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('TERCET_TRANSACTION_DECIDED'),
  });
});
