/** The heartbeat routes, and what a component shows of its instances. */
import type { ComponentView, InstanceView, Problem, TransactionView } from '../../src/protocol/words.js';
import { json, Service } from '../participants/service.js';
import { begin, TestNode } from './node.js';

let node: TestNode;
let second: Service;
const path = (instance: string, name = 'account'): string => `/v1/components/${name}/instances/${instance}`;

beforeAll(async () => {
  node = await TestNode.start();
});
afterAll(() => node.stop());

/** The component is new each time, and so has no instances. */
beforeEach(async () => {
  second = await Service.start();
  await node.send('DELETE', '/v1/components/account');
  await node.component('account', { retry: { baseMs: 1, capMs: 1 } });
  node.participant.asked.length = 0;
});
afterEach(() => second.stop());

const beat = (instance: string, body: object = { url: second.url }) => node.put<InstanceView>(path(instance), body);
const shown = async (): Promise<ComponentView> => (await node.get<ComponentView>('/v1/components/account')).body;
const NO_CALLS = { inFlight: 0, failureRate: 0, breaker: 'closed' };

/** A transaction of one branch, from its begin to its end. */
async function run(at = node): Promise<TransactionView> {
  return (await at.post('/v1/transactions', begin({ wait: 'settled' }))).body;
}

test('a heartbeat is answered with the instance: 201 for a new one, 200 again', async () => {
  const first = await beat('a');
  expect(first.status).toBe(201);
  expect(first.body).toEqual({
    instance: 'a',
    url: second.url,
    ttlMs: 15_000,
    lastBeatAt: expect.any(String) as string,
    aliveUntil: expect.any(String) as string,
    isAlive: true,
    ...NO_CALLS,
  });
  const { lastBeatAt, aliveUntil } = first.body;
  expect(Date.parse(aliveUntil) - Date.parse(lastBeatAt)).toBe(15_000);
  const again = await beat('a');
  expect([again.status, again.body.lastBeatAt > lastBeatAt]).toEqual([200, true]);
  expect(await beat('a', { url: second.url, ttlMs: 1000 })).toMatchObject({ status: 200, body: { ttlMs: 1000 } });
});

test('a component shows its instances by name, alone and in the list, and what was seen of its own calls', async () => {
  expect(await shown()).toMatchObject({ instances: [], calls: NO_CALLS });
  await beat('b');
  await beat('a');
  expect(await shown()).toMatchObject({ instances: [{ instance: 'a' }, { instance: 'b' }], calls: NO_CALLS });
  await node.component('other');
  const { body } = await node.get<{ components: ComponentView[] }>('/v1/components');
  expect(body.components.map(({ name, instances }) => [name, instances.map(({ instance }) => instance)])).toEqual([
    ['account', ['a', 'b']],
    ['other', []],
  ]);
  expect((await node.put<ComponentView>('/v1/components/account', { url: second.url })).body.instances).toHaveLength(2);
});

test('calls go to the live instances, and to the component again when they have signed off', async () => {
  await beat('a');
  expect((await run()).decision).toBe('commit');
  expect([second.asked.length, node.participant.asked.length]).toEqual([2, 0]);
  expect((await node.send('DELETE', path('a'))).status).toBe(204);
  expect((await shown()).instances).toEqual([]);
  expect((await run()).decision).toBe('commit');
  expect([second.asked.length, node.participant.asked.length]).toEqual([2, 2]);
});

test('a dead instance fails nothing while another one lives, and is shown as it is seen', async () => {
  const gone = await Service.start();
  await beat('dead', { url: gone.url });
  await beat('live');
  await gone.stop();
  for (let count = 0; count < 6; count += 1) {
    expect(await run()).toMatchObject({ decision: 'commit', branches: [{ attempts: 1 }] });
  }
  const { instances } = await shown();
  expect(instances).toMatchObject([
    { instance: 'dead', isAlive: true, failureRate: 1, breaker: 'open' },
    { instance: 'live', isAlive: true, failureRate: 0, breaker: 'closed' },
  ]);
});

test('what one node hears of instances another one uses within a second', async () => {
  const beside = await node.beside();
  await beat('a');
  while (second.asked.length === 0) await run(beside);
  expect((await beside.get<ComponentView>('/v1/components/account')).body.instances).toMatchObject([{ instance: 'a' }]);
  await beside.drain();
});

test('the call of a branch that its initiator tries leads to a live instance', async () => {
  await beat('a');
  await node.post('/v1/transactions', { mode: 'tcc', gid: 'mine', drive: 'initiator' });
  const { body } = await node.post<{ call: { url: string } }>('/v1/transactions/mine/branches', {
    branchId: 'a',
    component: 'account',
  });
  expect(body.call.url).toBe(`${second.url}/try`);
  await node.post('/v1/transactions/mine/abort', { wait: 'settled' });
});

test('a deleted component takes its instances with it; one that is replaced keeps them', async () => {
  await beat('a');
  await node.component('account', { timeoutMs: 17 });
  expect((await shown()).instances).toHaveLength(1);
  expect((await node.send('DELETE', '/v1/components/account')).status).toBe(204);
  expect(await beat('a')).toMatchObject({ status: 404, body: { code: 'TERCET_COMPONENT_UNKNOWN' } });
  await node.component('account');
  expect((await shown()).instances).toEqual([]);
});

describe('refused, and nothing is changed', () => {
  const url = 'http://127.0.0.1:3002';
  test.each<[string, string, unknown, number, string, string | null]>([
    ['no body', path('a'), undefined, 400, 'TERCET_REQUEST_INVALID', 'url'],
    ['no url', path('a'), { ttlMs: 1000 }, 400, 'TERCET_REQUEST_INVALID', 'url'],
    ['a url with a query', path('a'), { url: `${url}/?a=1` }, 400, 'TERCET_REQUEST_INVALID', 'url'],
    ['a url with a password', path('a'), { url: 'http://u:p@127.0.0.1/' }, 400, 'TERCET_REQUEST_INVALID', 'url'],
    ['too short a ttl', path('a'), { url, ttlMs: 999 }, 400, 'TERCET_REQUEST_INVALID', 'ttlMs'],
    ['too long a ttl', path('a'), { url, ttlMs: 3_600_001 }, 400, 'TERCET_REQUEST_INVALID', 'ttlMs'],
    ['an unknown field', path('a'), { url, ttl: 1000 }, 400, 'TERCET_REQUEST_INVALID', 'ttl'],
    ['a name that is none', path('a%2Fb'), { url }, 400, 'TERCET_REQUEST_INVALID', 'instance'],
    ['a query', `${path('a')}?x=1`, { url }, 400, 'TERCET_REQUEST_INVALID', 'x'],
    ['a target that is not allowed', path('a'), { url: 'http://10.1.2.3/' }, 422, 'TERCET_TARGET_FORBIDDEN', 'url'],
    ['a component that is not registered', path('a', 'nobody'), { url }, 404, 'TERCET_COMPONENT_UNKNOWN', null],
    ['a component that could not be', path('a', 'a%2Fb'), { url }, 404, 'TERCET_COMPONENT_UNKNOWN', null],
  ])('a heartbeat with %s', async (_name, at, body, status, code, field) => {
    const before = await node.recorded();
    const { status: is, body: problem } = await node.put<Problem>(at, body);
    expect([is, problem.code, problem.errors?.[0]?.path ?? null]).toEqual([status, code, field]);
    expect(await node.recorded()).toEqual(before);
  });

  test.each([
    ['an instance that there is not', path('b'), 404, 'TERCET_INSTANCE_UNKNOWN'],
    ['an instance of another component', path('a', 'other'), 404, 'TERCET_INSTANCE_UNKNOWN'],
    ['a name that is none', path('a%2Fb'), 404, 'TERCET_INSTANCE_UNKNOWN'],
    ['a query', `${path('a')}?x=1`, 400, 'TERCET_REQUEST_INVALID'],
  ])('taking out %s', async (_name, at, status, code) => {
    await beat('a');
    const before = await node.recorded();
    const { status: is, body } = await node.send('DELETE', at);
    expect([is, body.code]).toEqual([status, code]);
    expect(await node.recorded()).toEqual(before);
  });
});

test('an operation with an endpoint beside the url is called there, instances or not', async () => {
  const confirms = await Service.start(json({}));
  await node.component('account', { endpoints: { confirm: `${confirms.url}/here` } });
  await beat('a');
  expect((await run()).decision).toBe('commit');
  expect(second.asked.map(({ call }) => call.op)).toEqual(['try']);
  expect(confirms.asked.map(({ path: at, call }) => [at, call.op])).toEqual([['/here', 'confirm']]);
  await confirms.stop();
});

test('of a component with endpoints alone, instances stand in for these, and nothing else is called', async () => {
  const own = await Service.start(json({}));
  await node.put('/v1/components/account', {
    endpoints: { action: `${own.url}/here` },
    retry: { baseMs: 1, capMs: 2 },
  });
  await beat('a');
  const saga = (compensate: boolean) => ({
    mode: 'saga',
    wait: 'settled',
    branches: [{ branchId: 'a', component: 'account', compensate }],
  });
  expect((await node.post('/v1/transactions', saga(false))).body.status).toBe('committed');
  expect(second.asked.map(({ path: at }) => at)).toEqual(['/action']);
  expect(own.asked).toEqual([]);
  const { body } = await node.post<Problem>('/v1/transactions', saga(true));
  expect(body.code).toBe('TERCET_COMPONENT_LACKS_OPERATION');
  await own.stop();
});
