/** Components of sagas in a real application: Nest on Fastify, TypeORM on PostgreSQL, called as a coordinator calls. */
import { DataSource } from 'typeorm';
import { fence } from '../../src/client/index.js';
import type { ParticipantCall } from '../../src/client/index.js';
import { Action, Cancel, Compensate, Confirm, SagaComponent, TccComponent, Try } from '../../src/client/nest/index.js';
import { json, Service } from '../participants/service.js';
import { createDatabase } from '../support/postgres.js';
import { Journal, startShop } from './shop.js';
import { callOf, create } from './wallet.js';
import type { Told, WalletApp } from './wallet.js';

let coordinator: Service;
let service: WalletApp;

beforeAll(async () => {
  coordinator = await Service.start(json({}));
  service = await startShop({ url: coordinator.url });
  await service.registered();
});
afterAll(async () => {
  await service.stop();
  await coordinator.stop();
});

const order17 = { orderId: '17', amount: 300 };

function call(gid: string, op: 'action' | 'compensate', over: Partial<ParticipantCall> = {}): Promise<Told> {
  const sent = callOf(gid, op, { mode: 'saga', component: 'payment', payload: order17, ...over });
  return service.post(`/tercet/payment/${op}`, sent);
}

const ran = (gid: string): string[] => service.app.get(Journal).of(gid);
const balance = async (): Promise<number> => (await service.money()).balance;

test('a component with both operations is registered by its address, one that cannot be undone by its action alone', () => {
  const registered = coordinator.asked
    .filter(({ method, path }) => method === 'PUT' && !path.includes('/instances/'))
    .map(({ path, text }) => [path, JSON.parse(text) as unknown]);
  expect(Object.fromEntries(registered)).toEqual({
    '/v1/components/order': { url: `${service.url}/tercet/order` },
    '/v1/components/payment': {
      url: `${service.url}/tercet/payment`,
      timeoutMs: 2000,
      version: '1.2.3',
      retry: { baseMs: 1, capMs: 2 },
    },
    '/v1/components/parcel': { endpoints: { action: `${service.url}/tercet/parcel/action` } },
  });
});

test('each of them beats, at the address that its operations are behind', async () => {
  await coordinator.wasAsked(6);
  const beats = coordinator.asked
    .filter(({ path }) => path.includes('/instances/'))
    .map(({ path, text }) => [path.split('/')[3], (JSON.parse(text) as { url: string }).url]);
  expect(Object.fromEntries(beats)).toEqual({
    order: `${service.url}/tercet/order`,
    payment: `${service.url}/tercet/payment`,
    parcel: `${service.url}/tercet/parcel`,
  });
});

describe('the answer to a call', () => {
  test('an action: 200 with its reply, and again the same without a second effect', async () => {
    const before = await balance();
    const first = await call('done', 'action');
    expect(first).toMatchObject({ status: 200, body: { paymentId: 'payment of 17' } });
    expect((await call('done', 'action', { attempt: 2 })).body).toEqual(first.body);
    expect([ran('done'), await balance()]).toEqual([['payment'], before - 300]);
  });

  test('a compensation gets the reply of the action, undoes it once, and no action comes after it', async () => {
    const before = await balance();
    const { body: reply } = await call('undone', 'action');
    for (const attempt of [1, 2]) {
      expect(await call('undone', 'compensate', { attempt, reply })).toMatchObject({ status: 200, body: null });
    }
    expect((await call('undone', 'action', { attempt: 2 })).status).toBe(409);
    expect([ran('undone'), await balance()]).toEqual([['payment', 'payment undone'], before]);
    expect(service.app.get(Journal).ran.at(-1)?.call).toMatchObject({ payload: order17, reply, attempt: 1 });
  });

  test('a compensation that comes without the reply of its action, which got lost, has it from the fence', async () => {
    const { body: reply } = await call('lost', 'action');
    expect((await call('lost', 'compensate', { reply: null })).status).toBe(200);
    expect(service.app.get(Journal).ran.at(-1)?.call).toMatchObject({ payload: order17, reply });
  });

  test('a compensation without an action: 200, nothing runs, and the action that comes late is refused', async () => {
    const before = await balance();
    expect(await call('nothing', 'compensate')).toMatchObject({ status: 200, body: null });
    expect(await call('nothing', 'action')).toMatchObject({
      status: 409,
      body: { reason: 'the branch was compensated before this action came' },
    });
    expect([ran('nothing'), await balance()]).toEqual([[], before]);
  });

  test('Refused: 409 with the reason, nothing is written, and nothing is there to be undone', async () => {
    const before = await balance();
    const payload = { ...order17, then: 'refuse' };
    const { status, body } = await call('refused', 'action', { payload });
    expect([status, body, await balance()]).toEqual([409, { reason: 'not enough money' }, before]);
    expect((await call('refused', 'compensate', { payload })).status).toBe(200);
    expect([ran('refused'), await balance()]).toEqual([['payment'], before]);
  });

  test('an action that fails after it began: 500, nothing stays, and its compensation has nothing to undo', async () => {
    const before = await balance();
    const payload = { ...order17, then: 'fail' };
    expect((await call('failed', 'action', { payload })).status).toBe(500);
    expect((await call('failed', 'compensate', { payload })).status).toBe(200);
    expect([ran('failed'), await balance()]).toEqual([['payment'], before]);
  });

  test('long work: 425 until fence.complete ends it, then its reply', async () => {
    const payload = { ...order17, then: 'go on' };
    const { status, headers } = await call('long', 'action', { payload });
    expect([status, headers.get('retry-after')]).toEqual([425, '1']);
    expect((await call('long', 'action', { payload })).status).toBe(425);
    const pending = { gid: 'long', branchId: 'pay', op: 'action' } as const;
    await service.app
      .get(DataSource)
      .transaction((manager) => fence.complete(manager, pending, { paymentId: 'at last' }));
    expect(await call('long', 'action', { payload })).toMatchObject({ status: 200, body: { paymentId: 'at last' } });
    expect(ran('long')).toEqual(['payment']);
  });

  test.each([
    ['an operation of another kind', '/tercet/payment/try', 'payment'],
    ['an operation that the component lacks', '/tercet/parcel/compensate', 'parcel'],
  ])('%s: 404 with a code', async (_name, path, component) => {
    const op = path.endsWith('try') ? 'try' : 'compensate';
    expect(await service.post(path, callOf('strange', op, { mode: 'saga', component }))).toMatchObject({
      status: 404,
      body: { code: 'TERCET_OPERATION_UNKNOWN' },
    });
  });
});

describe('a declaration that cannot work stops the start, and says which and why', () => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  beforeAll(async () => (database = await createDatabase()));
  afterAll(() => database.drop());

  @SagaComponent('undoing')
  class Undoing {
    @Compensate()
    undo(): void {}
  }

  @SagaComponent('trying')
  class Trying {
    @Try()
    hold(): void {}

    @Action()
    act(): void {}
  }

  @TccComponent('acting')
  class Acting {
    @Try()
    hold(): void {}

    @Confirm()
    take(): void {}

    @Cancel()
    release(): void {}

    @Action()
    act(): void {}

    @Compensate()
    undo(): void {}
  }

  @SagaComponent('twice')
  class Twice {
    @Action()
    act(): void {}

    @Action()
    actAgain(): void {}
  }

  test.each([
    ['no action', Undoing, "@SagaComponent('undoing') on Undoing: no method is marked @Action()"],
    [
      'a method of a TCC in a component of sagas',
      Trying,
      "@SagaComponent('trying') on Trying: @Try() is of another kind of component; this one has @Action(), @Compensate()",
    ],
    [
      'methods of a saga in a component of a TCC',
      Acting,
      "@TccComponent('acting') on Acting: @Action(), @Compensate() is of another kind of component; " +
        'this one has @Try(), @Confirm(), @Cancel()',
    ],
    ['an action that is there twice', Twice, "@SagaComponent('twice') on Twice: two methods are marked @Action()"],
  ])('%s', async (_name, provider, message) => {
    const starting = create(database.url, { url: 'http://127.0.0.1:1', providers: [provider] });
    await expect(starting).rejects.toThrow(message);
  });
});
