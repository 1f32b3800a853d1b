/** TercetModule in a real application: Nest on Fastify, TypeORM on PostgreSQL, called by a real coordinator. */
import { DataSource } from 'typeorm';
import { fence, TercetClient } from '../../src/client/index.js';
import { TestNode } from '../http/node.js';
import { until } from './until.js';
import { callOf, WalletApp } from './wallet.js';

let node: TestNode;
let client: TercetClient;
let service: WalletApp;

beforeAll(async () => {
  node = await TestNode.start();
  client = new TercetClient({ url: node.url });
  service = await WalletApp.start({ url: node.url });
  await service.registered();
});
afterAll(async () => {
  await service.stop();
  await node.stop();
});

const pay = (gid: string, payload: object) =>
  client.begin({ gid, wait: 'settled', branches: [{ branchId: 'pay', component: 'wallet', payload }] });

describe('called by the coordinator', () => {
  test('the component is registered with its address and its settings', async () => {
    expect(await client.getComponent('wallet')).toMatchObject({
      url: `${service.url}/tercet/wallet`,
      timeoutMs: 2000,
      version: '1.2.3',
      retry: { baseMs: 1, capMs: 2, maxAttempts: 3 },
    });
  });

  test('try and confirm run in order, with what they need, and what they wrote stays', async () => {
    const before = await service.money();
    const transaction = await pay('order-1', { amount: 300 });
    expect(transaction).toMatchObject({ status: 'committed', branches: [{ reply: { held: 300, currency: 'EUR' } }] });
    expect(await service.money()).toEqual({ balance: before.balance - 300, held: before.held });
    const shared = {
      gid: 'order-1',
      branchId: 'pay',
      payload: { amount: 300 },
      beganAt: transaction.beganAt,
      attempt: 1,
    };
    expect(service.wallet.ran.filter(({ call }) => call.gid === 'order-1')).toEqual([
      { op: 'try', call: { ...shared, reply: null } },
      { op: 'confirm', call: { ...shared, reply: { held: 300, currency: 'EUR' } } },
    ]);
  });

  test('Refused rolls back what the try wrote, aborts, and no cancel runs', async () => {
    const before = await service.money();
    expect(await pay('order-2', { amount: 300, then: 'refuse' })).toMatchObject({
      status: 'aborted',
      reason: { kind: 'refused', branchId: 'pay', detail: 'not enough money' },
    });
    expect([await service.money(), service.ran('order-2')]).toEqual([before, ['try']]);
  });

  test('an error rolls back, is tried again, and aborts when it stays', async () => {
    const before = await service.money();
    expect(await pay('order-3', { amount: 300, then: 'fail' })).toMatchObject({ reason: { kind: 'unknown' } });
    expect([await service.money(), service.ran('order-3')]).toEqual([before, ['try', 'try', 'try']]);
  });

  test('a confirm that fails after it wrote is rolled back, repeated, and takes effect once', async () => {
    const before = await service.money();
    expect(await pay('order-4', { amount: 100, confirm: 'fail' })).toMatchObject({ status: 'committed' });
    expect(await service.money()).toEqual({ ...before, balance: before.balance - 100 });
    expect(service.ran('order-4')).toEqual(['try', 'confirm', 'confirm']);
  });

  test('work that goes on after its call is asked for until fence.complete ends it', async () => {
    const paying = pay('order-5', { amount: 100, then: 'go on' });
    const call = { gid: 'order-5', branchId: 'pay', op: 'try' } as const;
    const complete = (): Promise<void> =>
      service.app.get(DataSource).transaction((manager) => fence.complete(manager, call, { held: 100 }));
    await until('the try is pending', () =>
      complete().then(
        () => true,
        () => false,
      ),
    );
    expect(await paying).toMatchObject({ status: 'committed', branches: [{ reply: { held: 100 } }] });
    expect(service.ran('order-5')).toEqual(['try', 'confirm']);
  });

  test('another branch that refuses has the try cancelled', async () => {
    const before = await service.money();
    const branches = [
      { branchId: 'one', component: 'wallet', payload: { amount: 100 } },
      { branchId: 'two', component: 'wallet', payload: { amount: 100, then: 'refuse' } },
    ];
    expect(await client.begin({ gid: 'order-6', wait: 'settled', branches })).toMatchObject({ status: 'aborted' });
    expect(await service.money()).toEqual(before);
  });

  test('TercetClient can be injected, and speaks to the coordinator of the module', () => {
    expect(service.app.get(TercetClient).url).toBe(node.url);
  });

  test('it is ready, once the coordinator knows its components', async () => {
    expect(await service.ready()).toMatchObject({ status: 200, body: { ready: true, problems: [] } });
  });
});

describe('the answer to a call', () => {
  test('done: 200 with the reply as JSON, and again the same without a second effect', async () => {
    const first = await service.call('call-1', 'try');
    expect(first).toMatchObject({ status: 200, body: { held: 300, currency: 'EUR' } });
    expect(first.headers.get('content-type')).toContain('application/json');
    expect((await service.call('call-1', 'try')).body).toEqual(first.body);
    expect(await service.call('call-1', 'confirm')).toMatchObject({ status: 200, body: null });
    expect(service.ran('call-1')).toEqual(['try', 'confirm']);
  });

  test('Refused: 409 with the reason, and nothing else', async () => {
    const { status, body } = await service.call('call-2', 'try', { payload: { amount: 1, then: 'refuse' } });
    expect([status, body]).toEqual([409, { reason: 'not enough money' }]);
  });

  test('Pending: 425 with Retry-After, and while it goes on 425 again', async () => {
    const payload = { amount: 1, then: 'go on' };
    const { status, headers } = await service.call('call-3', 'try', { payload });
    expect([status, headers.get('retry-after')]).toEqual([425, '1']);
    expect((await service.call('call-3', 'try', { payload })).status).toBe(425);
    expect(service.ran('call-3')).toEqual(['try']);
  });

  test('an error: 500 with a code, and nothing of what went wrong inside', async () => {
    const { status, body } = await service.call('call-4', 'try', { payload: { amount: 1, then: 'fail' } });
    expect([status, body]).toMatchObject([500, { code: 'TERCET_OPERATION_FAILED' }]);
    expect(JSON.stringify(body)).not.toContain('secret');
  });

  test('more than the coordinator takes as a reply: 500, and the effect is rolled back', async () => {
    const before = await service.money();
    const { status } = await service.call('call-5', 'try', { payload: { amount: 1, then: 'answer too much' } });
    expect([status, await service.money()]).toEqual([500, before]);
  });

  test.each([
    ['a confirm without a try', 'confirm', 500, 'TERCET_FENCE_TRY_MISSING'],
    ['a cancel without a try', 'cancel', 200, undefined],
  ] as const)('%s runs nothing', async (name, op, status, code) => {
    const gid = name.replaceAll(' ', '-');
    const told = await service.call(gid, op);
    expect(told.status).toBe(status);
    expect((told.body as { code?: string } | null)?.code).toBe(code);
    expect(service.ran(gid)).toEqual([]);
  });

  test('a late try: 409 with a reason', async () => {
    await service.call('call-6', 'cancel');
    expect(await service.call('call-6', 'try')).toMatchObject({
      status: 409,
      body: { reason: 'the branch was cancelled before this try came' },
    });
  });

  test('while another call of the branch is under way: 425, within the time that the caller listens', async () => {
    const runner = service.app.get(DataSource).createQueryRunner();
    await runner.startTransaction();
    const fenced = { gid: 'call-7', branchId: 'pay', op: 'try', beganAt: new Date().toISOString() } as const;
    await fence.run(runner, fenced, () => null);
    const told = await service.post('/tercet/wallet/try', callOf('call-7', 'try'), { 'tercet-timeout-ms': '100' });
    expect(told).toMatchObject({
      status: 425,
      body: { code: 'TERCET_FENCE_BUSY', detail: expect.stringContaining('within 50 ms') },
    });
    await runner.commitTransaction();
    await runner.release();
    expect((await service.call('call-7', 'try')).body).toBeNull();
  });
});

describe('what is no call of a coordinator is refused, and runs nothing', () => {
  const good = callOf('bad', 'try');

  test.each<[string, unknown, RegExp]>([
    ['a list', [good], /the body must be a JSON object/],
    ['null', 'null', /the body must be a JSON object/],
    ['no gid', { ...good, gid: undefined }, /gid: must be an identifier/],
    ['a gid with other letters', { ...good, gid: 'a b' }, /gid: must be an identifier/],
    ['a gid that is a number', { ...good, gid: 17 }, /gid: must be an identifier/],
    ['a branchId that is too long', { ...good, branchId: 'x'.repeat(129) }, /branchId: must be an identifier/],
    ['another operation', { ...good, op: 'confirm' }, /op: must be 'try', as in the path/],
    ['another component', { ...good, component: 'account' }, /component: must be 'wallet', as in the path/],
    ['no attempt', { ...good, attempt: undefined }, /attempt: must be a whole number from 1/],
    ['attempt 0', { ...good, attempt: 0 }, /attempt: must be a whole number from 1/],
    ['no beganAt', { ...good, beganAt: undefined }, /beganAt: must be a time/],
    ['a beganAt that is no time', { ...good, beganAt: 'yesterday' }, /beganAt: must be a time/],
  ])('%s: 400 with a code and what is wrong', async (_name, body, detail) => {
    expect(await service.post('/tercet/wallet/try', body)).toMatchObject({
      status: 400,
      body: { code: 'TERCET_CALL_INVALID', detail: expect.stringMatching(detail) },
    });
    expect(service.ran('bad')).toEqual([]);
  });

  test.each([
    ['tercet-gid', 'other'],
    ['tercet-branch', 'other'],
    ['tercet-op', 'confirm'],
    ['tercet-attempt', '2'],
  ])('a header %s that says something else than the body', async (header, value) => {
    expect(await service.post('/tercet/wallet/try', good, { [header]: value })).toMatchObject({
      status: 400,
      body: { code: 'TERCET_CALL_INVALID', detail: expect.stringContaining(`${header}: the header says '${value}'`) },
    });
    expect(service.ran('bad')).toEqual([]);
  });

  test('text that is not JSON: 400', async () => {
    expect((await service.post('/tercet/wallet/try', '{"gid":')).status).toBe(400);
  });

  test.each([
    ['a component that is not here', '/tercet/account/try'],
    ['an operation that TCC has not', '/tercet/wallet/action'],
    ['an operation that is none', '/tercet/wallet/constructor'],
  ])('%s: 404 with a code', async (_name, path) => {
    expect(await service.post(path, good)).toMatchObject({
      status: 404,
      body: { code: 'TERCET_OPERATION_UNKNOWN', detail: expect.stringContaining('no provider here is') },
    });
  });

  test('fields that a newer coordinator adds do no harm', async () => {
    expect((await service.post('/tercet/wallet/try', { ...callOf('newer', 'try'), more: { to: 'come' } })).status).toBe(
      200,
    );
  });
});
