/** TERCET_VIEWER_SEES=no-payloads: who is only viewer reads nothing that a service or an initiator said. */
import { newKey } from '../../src/http/keys.js';
import type { EventView, TimelineView, TransactionView } from '../../src/protocol/words.js';
import { json, raw } from '../participants/service.js';
import { begin, TestNode } from './node.js';
import type { Reply } from './node.js';
import { routesOfApplication } from './routes.js';

const ROLES = ['viewer', 'viewer+component=x', 'initiator', 'component=x', 'operator', 'admin'] as const;
const keys = new Map(ROLES.map((roles, index) => [roles, newKey(`k${index}`, roles)] as const));
/** Every text of a service or an initiator here has this word. */
const SAID = 'quoted';
const GIDS = ['done', 'refused', 'unknown', 'requested', 'parked', 'deadline', 'forward'] as const;

const routes = (await routesOfApplication()).filter((route) => route.startsWith('get /v1/transactions'));
const paths = routes.flatMap((route) => {
  const path = route.replace('get ', '');
  if (!path.includes('{gid}')) return [path];
  const queries = path.endsWith('{gid}') ? ['', '?wait=settled'] : [''];
  return GIDS.flatMap((gid) => queries.map((query) => path.replace('{gid}', gid) + query));
});

let node: TestNode;
/** On the same database, with the default. */
let open: TestNode;

function ask<T = unknown>(of: TestNode, roles: (typeof ROLES)[number], path: string): Promise<Reply<T>> {
  return of.send<T>('GET', path, undefined, { authorization: `Bearer ${keys.get(roles)?.key ?? ''}` });
}

beforeAll(async () => {
  const TERCET_KEYS = [...keys.values()].map(({ entry }) => entry).join();
  node = await TestNode.start({ TERCET_KEYS, TERCET_VIEWER_SEES: 'no-payloads' });
  open = await node.beside({ TERCET_KEYS });
  const headers = { authorization: `Bearer ${keys.get('admin')?.key ?? ''}` };
  const send = (method: string, path: string, body: object): Promise<Reply<unknown>> =>
    node.send<unknown>(method, path, body, headers);
  const url = node.participant.url;
  await send('PUT', '/v1/components/account', { url, retry: { tryAttempts: 1, maxAttempts: 1 } });
  node.participant.answer = (response, asked) => {
    const { gid, op } = asked.call;
    if (gid === 'refused' && op === 'try') json({ reason: `${SAID} reason\nin two lines` }, 409)(response, asked);
    else if (gid === 'unknown' && op === 'try') raw(`${SAID} answer`, 500)(response, asked);
    else if (gid === 'parked' && op === 'confirm') raw(`${SAID} page`, 502)(response, asked);
    else json({ [SAID]: 300 })(response, asked);
  };
  for (const gid of ['done', 'refused', 'unknown', 'parked']) {
    await send('POST', '/v1/transactions', begin({ gid, wait: 'settled' }));
  }
  const driven = { mode: 'tcc', drive: 'initiator', wait: 'settled' };
  await send('POST', '/v1/transactions', { ...driven, gid: 'requested', wait: 'accepted' });
  await send('POST', '/v1/transactions/requested/abort', { reason: `${SAID} abort`, wait: 'settled' });
  await send('POST', '/v1/transactions', { ...driven, gid: 'deadline', deadlineMs: 1 });
  const branches = [{ branchId: 'a', component: 'account' }];
  await send('POST', '/v1/transactions', {
    mode: 'saga',
    gid: 'forward',
    recovery: 'forward',
    branches,
    wait: 'settled',
  });
  await send('POST', '/v1/transactions/parked/resume', { reason: 'the operator says' });
  await node.participant.wasAsked(10);
  // Until it is parked again, and nothing moves any more.
  while ((await ask<TransactionView>(node, 'admin', '/v1/transactions/parked')).body.parked === null);
});

afterAll(async () => {
  await open.drain();
  await node.stop();
});

test('there is something to hide', async () => {
  const all = await Promise.all(paths.map((path) => ask(node, 'admin', path)));
  const quotes = all.map(({ body }) => JSON.stringify(body)).filter((text) => text.includes(SAID));
  expect(quotes.length).toBeGreaterThan(10);
});

test.each(paths)('%s quotes nobody to a viewer, and is whole to everybody else', async (path) => {
  const whole = await ask(node, 'admin', path);
  expect(whole.status).toBe(200);
  const { status, body } = await ask(node, 'viewer', path);
  expect(status).toBe(200);
  expect(JSON.stringify(body)).not.toContain(SAID);
  for (const roles of ROLES.slice(1)) expect((await ask(node, roles, path)).body).toEqual(whole.body);
  expect((await ask(open, 'viewer', path)).body).toEqual(whole.body);
});

test('the words that Tercet and operators wrote stay', async () => {
  const shown = async (gid: string): Promise<[unknown, unknown, unknown]> => {
    const { body } = await ask<TransactionView>(node, 'viewer', `/v1/transactions/${gid}`);
    return [body.reason?.detail, body.parked?.why, body.branches.map(({ reply }) => reply)];
  };
  expect(await shown('done')).toEqual([undefined, undefined, [null]]);
  expect(await shown('refused')).toEqual(['hidden', undefined, [null]]);
  expect(await shown('unknown')).toEqual(['hidden', undefined, [null]]);
  expect(await shown('requested')).toEqual(['hidden', undefined, []]);
  expect(await shown('parked')).toEqual([undefined, 'confirm failed 1 times, the last time: hidden', [null]]);
  expect(await shown('deadline')).toEqual(['no decision before the deadline', undefined, []]);

  const told = async (gid: string): Promise<unknown[]> => {
    const { body } = await ask<TimelineView>(node, 'viewer', `/v1/transactions/${gid}/timeline`);
    return body.events.map(({ kind, detail }: EventView) => (detail === undefined ? kind : `${kind}: ${detail}`));
  };
  expect(await told('refused')).toEqual([
    'begun',
    'call: hidden',
    'decided: abort: refused, hidden',
    'call',
    'ended: aborted',
  ]);
  expect(await told('unknown')).toContain('decided: abort: unknown, hidden');
  expect(await told('requested')).toContain('decided: abort: requested, hidden');
  expect(await told('deadline')).toContain('decided: abort: deadline, no decision before the deadline');
  expect(await told('forward')).toEqual(['begun', 'decided: commit: forward recovery', 'call', 'ended: committed']);
  const why = 'parked: confirm failed 1 times, the last time: hidden';
  expect(await told('parked')).toEqual([
    'begun',
    'call',
    'decided: commit',
    'call: hidden',
    why,
    expect.stringMatching(/^operator: resume by k\d: the operator says$/),
    'call: hidden',
    why,
  ]);
});
