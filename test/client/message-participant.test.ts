/** Components of messages in a real application: Nest on Fastify, TypeORM on PostgreSQL, called as a coordinator calls. */
import { DataSource } from 'typeorm';
import { fence } from '../../src/client/index.js';
import type { ParticipantCall } from '../../src/client/index.js';
import { Action, Deliver, MessageComponent, Messages, SagaComponent } from '../../src/client/nest/index.js';
import { json, Service } from '../participants/service.js';
import { createDatabase } from '../support/postgres.js';
import { Mailbox, startMailer } from './mailer.js';
import { callOf, create, Currency, Wallet } from './wallet.js';
import type { Told, WalletApp } from './wallet.js';

let coordinator: Service;
let service: WalletApp;

beforeAll(async () => {
  coordinator = await Service.start(json({}));
  service = await startMailer({ url: coordinator.url });
  await service.registered();
});
afterAll(async () => {
  await service.stop();
  await coordinator.stop();
});

function call(
  gid: string,
  op: 'check' | 'deliver',
  over: Partial<ParticipantCall> = {},
  headers: Record<string, string> = {},
): Promise<Told> {
  const component = op === 'check' ? 'order' : 'mail';
  const sent = callOf(gid, op, {
    mode: 'message',
    branchId: op === 'check' ? 'check' : 'm',
    component,
    payload: { to: 'alice' },
    ...over,
  });
  return service.post(`/tercet/${sent.component}/${op}`, sent, headers);
}

const source = (): DataSource => service.app.get(DataSource);
const ran = (gid: string): number[] =>
  service.app
    .get(Mailbox)
    .ran.filter((one) => one.gid === gid)
    .map(({ attempt }) => attempt);
const began = (gid: string) => ({ gid, beganAt: new Date().toISOString() });

test('what sends is registered with its check alone, what gets messages with both, and what it says of checks', () => {
  const registered = coordinator.asked
    .filter(({ method, path }) => method === 'PUT' && !path.includes('/instances/'))
    .map(({ path, text }) => [path, JSON.parse(text) as unknown]);
  expect(Object.fromEntries(registered)).toEqual({
    '/v1/components/order': { endpoints: { check: `${service.url}/tercet/order/check` } },
    '/v1/components/mail': { url: `${service.url}/tercet/mail`, timeoutMs: 2000, check: { afterMs: 100 } },
  });
});

describe('a check', () => {
  test('of a local transaction that committed: 200', async () => {
    await source().transaction((manager) => fence.local(manager, began('check-1')));
    expect(await call('check-1', 'check')).toMatchObject({ status: 200, body: null });
  });

  test('of one that did not: 409 with the reason, and what it says stays so', async () => {
    for (let time = 0; time < 2; time += 1) {
      const told = await call('check-2', 'check');
      expect([told.status, told.body]).toEqual([409, { reason: 'the local transaction did not commit' }]);
    }
    const late = source().transaction((manager) => fence.local(manager, began('check-2')));
    await expect(late).rejects.toMatchObject({ code: 'TERCET_MESSAGE_ROLLED_BACK' });
  });

  test('of one that is open: 425, within the time that the caller listens', async () => {
    const runner = source().createQueryRunner();
    await runner.startTransaction();
    await fence.local(runner, began('check-3'));
    const told = await call('check-3', 'check', {}, { 'tercet-timeout-ms': '100' });
    expect(told).toMatchObject({ status: 425, body: { detail: expect.stringContaining('within 50 ms') as string } });
    await runner.commitTransaction();
    await runner.release();
    expect((await call('check-3', 'check')).status).toBe(200);
  });

  test('of what was purged: 500 with a code', async () => {
    await fence.purge(source(), new Date(Date.now() - 3_600_000));
    const beganAt = new Date(Date.now() - 7_200_000).toISOString();
    expect(await call('check-4', 'check', { beganAt })).toMatchObject({
      status: 500,
      body: { code: 'TERCET_FENCE_PURGED' },
    });
  });

  test('is answered by a component with a method, too', async () => {
    expect((await call('check-5', 'check', { component: 'mail' })).status).toBe(409);
  });
});

describe('a delivery', () => {
  test('takes effect once, and again it gets the same answer', async () => {
    const before = await service.money();
    const first = await call('mail-1', 'deliver');
    expect(first).toMatchObject({ status: 200, body: { mailed: 'alice' } });
    expect((await call('mail-1', 'deliver', { attempt: 2 })).body).toEqual(first.body);
    expect(ran('mail-1')).toEqual([1]);
    expect(await service.money()).toEqual({ ...before, held: before.held + 1 });
  });

  test('gets the payload, and whose it is', async () => {
    await call('mail-2', 'deliver');
    const [got] = service.app.get(Mailbox).ran.filter(({ gid }) => gid === 'mail-2');
    expect(got).toMatchObject({ gid: 'mail-2', branchId: 'm', attempt: 1, payload: { to: 'alice' } });
  });

  test.each([
    ['fail', 500],
    ['refuse', 409],
  ] as const)('that does %s leaves nothing, and takes effect when it comes again', async (then, status) => {
    const before = await service.money();
    const gid = `mail-${then}`;
    const payload = { to: 'bob', then };
    expect((await call(gid, 'deliver', { payload })).status).toBe(status);
    expect(await service.money()).toEqual(before);
    expect((await call(gid, 'deliver', { payload, attempt: 2 })).status).toBe(200);
    expect([ran(gid), await service.money()]).toEqual([[1, 2], { ...before, held: before.held + 1 }]);
  });

  test('to what only sends is none of its operations', async () => {
    expect((await call('mail-3', 'deliver', { component: 'order' })).status).toBe(404);
  });
});

describe('a declaration that cannot work stops the start, and says which and why', () => {
  @MessageComponent('mixed')
  class Mixed {
    @Deliver()
    take(): void {}

    @Action()
    act(): void {}
  }

  @SagaComponent('order')
  class Order {
    @Action()
    place(): void {}
  }

  @MessageComponent('post')
  class Elsewhere {
    @Deliver()
    take(): void {}
  }

  test.each([
    [
      'an operation of another kind',
      { providers: [Mixed] },
      "@MessageComponent('mixed') on Mixed: @Action() is of another kind of component; this one has @Deliver()",
    ],
    [
      'messages from a component of another kind',
      { providers: [Order], messages: 'order' },
      "TercetModule.forRoot({ messages: 'order' }): 'order' is a @SagaComponent, which sends none",
    ],
    [
      'messages from a component whose name is none',
      { messages: 'a b' },
      "TercetModule.forRoot({ messages: 'a b' }): a name has 1 to 100 characters",
    ],
    [
      'no such DataSource',
      { providers: [], messages: 'order', dataSource: 'ARCHIVE' },
      "component 'order': no provider is the DataSource 'ARCHIVE'",
    ],
  ])('%s', async (_name, options, message) => {
    const { url, drop } = await createDatabase();
    try {
      await expect(
        create(url, { url: 'http://127.0.0.1:1', providers: [Currency, Wallet], ...options }),
      ).rejects.toThrow(message);
    } finally {
      await drop();
    }
  });

  test.each([
    ['none', [], 'messages need a component that is asked what became of them'],
    ['two', [Mailbox, Elsewhere], "which of 'mail', 'post' sends?"],
  ])('who sends where there are %s to choose from must be said', async (_name, providers, message) => {
    const { url, drop } = await createDatabase();
    const app = await create(url, { url: coordinator.url, providers });
    const sending = app.get(Messages).inTransaction({ deliveries: [] }, () => Promise.resolve());
    await expect(sending).rejects.toThrow(message);
    await app.close();
    await drop();
  });
});
