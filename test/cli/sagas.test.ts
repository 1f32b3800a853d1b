/** tercet tx on sagas: what a person on call sees of one that goes, one that is stuck, and one that is undone. */
import { TestNode } from '../http/node.js';
import { json } from '../participants/service.js';
import { lines, tercet } from './tercet.js';

let node: TestNode;

const saga = (gid: string, over: object = {}) => ({
  mode: 'saga',
  gid,
  branches: [
    { branchId: 'order', component: 'order', after: [] },
    { branchId: 'payment', component: 'payment', after: ['order'] },
    { branchId: 'stock', component: 'stock', after: ['order'] },
    { branchId: 'shipment', component: 'shipment', after: ['payment', 'stock'], pivot: true },
  ],
  ...over,
});
const show = async (gid: string): Promise<string> =>
  (await tercet(['tx', 'show', gid], { TERCET_URL: node.url })).stdout;

beforeAll(async () => {
  node = await TestNode.start({ TERCET_NODE: 'a' });
  for (const name of ['order', 'payment', 'stock', 'shipment']) {
    await node.component(name, { retry: { baseMs: 1, capMs: 1, maxAttempts: 2 } });
  }
  node.participant.answer = (response, { call: { gid, branchId, op } }) => {
    const asked = `${gid} ${op} ${branchId}`;
    const refuses = ['undone action shipment', 'stuck action shipment'].includes(asked);
    if (refuses) json({ reason: 'no lorry' }, 409)(response, undefined as never);
    else if (asked === 'stuck compensate payment') response.writeHead(500).end('broken');
    else if (asked === 'slow action stock') response.writeHead(425, { 'retry-after': '60' }).end();
    else json({ id: branchId })(response, undefined as never);
  };
  for (const gid of ['undone', 'stuck']) await node.post('/v1/transactions', saga(gid, { wait: 'settled' }));
  await node.post('/v1/transactions', saga('slow', { wait: 'accepted' }));
  while (
    (await node.participant.wasAsked(1),
    !node.participant.asked.some(({ call }) => call.gid === 'slow' && call.branchId === 'stock'))
  )
    await node.get('/health/live');
});

afterAll(() => node.stop());

test('one that was undone: its graph, what became of each branch, and the reverse order in its timeline', async () => {
  const told = await show('undone');
  expect(told).toMatch(/^undone {2}saga {2}aborted$/m);
  expect(told).toContain('abort, refused by shipment: no lorry');
  expect(told).toMatch(/^BRANCH +COMPONENT +AFTER +STATE +ATTEMPTS +REPLY$/m);
  expect(told).toMatch(/^shipment +shipment +payment, stock +compensated +1 *$/m);
  expect(told).toMatch(/^ {2}pivot +shipment: once it is done, nothing is undone$/m);
  const undone = [...told.matchAll(/ compensate +(\w+) /g)].map(([, branch]) => branch);
  expect(undone[0]).toBe('shipment');
  expect(undone.slice(1, 3).sort()).toEqual(['payment', 'stock']);
  expect(undone[3]).toBe('order');
  expect(Math.max(...told.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
});

test('one that could not be undone is shown as such wherever it is looked at', async () => {
  expect(await show('stuck')).toMatch(/parked +\S+ s: payment: rollback incomplete: compensate failed 2\s+times/);
  const listed = lines(await tercet(['tx', 'list', '--parked'], { TERCET_URL: node.url }));
  expect(listed.find((line) => line.startsWith('stuck'))).toMatch(
    /aborting +2\/4 .*parked: payment: rollback incomplete/,
  );
});

test('one that goes on: what it waits for, as far as it is written down', async () => {
  const told = (await show('slow')).replace(/\s+/g, ' ');
  expect(told).toMatch(/waits for payment: action, since \d+s, no answer yet; and for 2 other branches/);
});
