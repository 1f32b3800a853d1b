/** Two coordinators on one database: whichever is asked, the answer is the same. docs/wire.md, sections 3 to 6. */
import type { TimelineView } from '../../src/protocol/words.js';
import { json } from '../participants/service.js';
import { begin, TestNode } from './node.js';

let one: TestNode;
let two: TestNode;

beforeAll(async () => {
  one = await TestNode.start({ TERCET_NODE: 'one' });
  two = await one.beside({ TERCET_NODE: 'two' });
});

afterAll(async () => {
  await two.drain();
  await one.stop();
});

beforeEach(async () => {
  one.participant.answer = json({ held: 300 });
  await one.component('account', { retry: { baseMs: 1, capMs: 1, maxAttempts: 2 } });
});

const at = (gid: string, rest = ''): string => `/v1/transactions/${gid}${rest}`;
const callsOf = (gid: string): string[] =>
  one.participant.asked.filter(({ call }) => call.gid === gid).map(({ call }) => call.op);

test('whoever waits at the node that does not drive it is told its end all the same', async () => {
  const release = one.hold('confirm');
  const request = begin({ gid: 'watched', wait: 'settled' });
  const asked = one.participant.asked.length;
  const driven = one.post('/v1/transactions', request);
  await one.participant.wasAsked(asked + 2);
  const watched = [two.get(at('watched', '?wait=settled')), two.post('/v1/transactions', request)];
  expect((await two.get(at('watched', '?wait=decided'))).body.status).toBe('committing');
  release();
  const answers = await Promise.all([driven, ...watched]);
  expect(answers.map(({ status, body }) => [status, body.status])).toEqual([
    [201, 'committed'],
    [200, 'committed'],
    [200, 'committed'],
  ]);
});

test('one gid begun at both at once: one of them begins it, and each branch is tried once (G11)', async () => {
  for (let round = 0; round < 10; round += 1) {
    const gid = `both-${round}`;
    const request = begin({ gid, wait: 'settled' });
    const answers = await Promise.all([one, two].map((node) => node.post('/v1/transactions', request)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 201]);
    expect(answers[0]?.body).toEqual(answers[1]?.body);
    expect(callsOf(gid)).toEqual(['try', 'confirm']);
    const other = await two.send('POST', '/v1/transactions', { ...request, businessKey: 'x' });
    expect(other.body.code).toBe('TERCET_GID_CONFLICT');
  }
});

test('what was begun at one is registered, submitted and looked at at the other', async () => {
  await one.post('/v1/transactions', { mode: 'tcc', gid: 'shared', drive: 'initiator' });
  const branch = { branchId: 'a', component: 'account' };
  expect((await two.post(at('shared', '/branches'), branch)).status).toBe(201);
  expect((await one.post(at('shared', '/branches'), branch)).status).toBe(200);
  const { status, body } = await two.post(at('shared', '/submit'), { wait: 'settled' });
  expect([status, body.status, body.branches[0]?.state]).toEqual([200, 'committed', 'confirmed']);
  expect((await one.get(at('shared'))).body).toEqual(body);
  expect(callsOf('shared')).toEqual(['confirm']);
});

test('submit at one and abort at the other: one decision, and both say so (G4)', async () => {
  for (let round = 0; round < 10; round += 1) {
    const gid = `race-${round}`;
    const branches = [{ branchId: 'a', component: 'account' }];
    await one.post('/v1/transactions', { mode: 'tcc', gid, drive: 'initiator', branches });
    const answers = await Promise.all([
      one.send('POST', at(gid, '/submit'), { wait: 'settled' }),
      two.send('POST', at(gid, '/abort'), { wait: 'settled' }),
    ]);
    const { body } = await two.get(at(gid, '?wait=settled'));
    const isCommit = body.decision === 'commit';
    expect(answers.map(({ status }) => status)).toEqual(isCommit ? [200, 409] : [409, 200]);
    expect(answers[isCommit ? 1 : 0]?.body.code).toBe('TERCET_TRANSACTION_DECIDED');
    expect(callsOf(gid)).toEqual([isCommit ? 'confirm' : 'cancel']);
  }
});

test('what one has parked goes on at the other, which is asked to resume it', async () => {
  one.participant.answer = (response, { call }) => void response.writeHead(call.op === 'confirm' ? 500 : 200).end();
  const { body } = await one.post('/v1/transactions', begin({ gid: 'parked', wait: 'settled' }));
  expect(body.parked).not.toBeNull();
  one.participant.answer = json({});
  expect((await two.post(at('parked', '/resume'), { reason: 'repaired' })).status).toBe(200);
  expect((await two.get(at('parked', '?wait=settled'))).body.status).toBe('committed');
  const timeline = await one.get<TimelineView>(at('parked', '/timeline'));
  const nodes = timeline.body.events.map(({ node, kind }) => `${node} ${kind}`);
  expect(nodes.slice(-3)).toEqual(['two operator', 'two call', 'two ended']);
});

test('a component registered at one is known at the other at once, and replaced there soon', async () => {
  const branches = [{ branchId: 'a', component: 'fresh' }];
  const pathOf = async (): Promise<string | undefined> => {
    await two.post('/v1/transactions', begin({ branches, wait: 'settled' }));
    return one.participant.asked.at(-1)?.path;
  };
  await one.put('/v1/components/fresh', { url: `${one.participant.url}/before` });
  expect(await pathOf()).toBe('/before/confirm');
  await one.put('/v1/components/fresh', { url: `${one.participant.url}/after` });
  while ((await pathOf()) !== '/after/confirm');
});
