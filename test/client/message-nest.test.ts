/** Messages of a Nest application, with a real coordinator: sent from one component, delivered to another. */
import { TercetClient } from '../../src/client/index.js';
import { Messages } from '../../src/client/nest/index.js';
import { TestNode } from '../http/node.js';
import { Mailbox, startMailer } from './mailer.js';
import type { WalletApp } from './wallet.js';

let node: TestNode;
let client: TercetClient;
let service: WalletApp;

beforeAll(async () => {
  node = await TestNode.start();
  client = new TercetClient({ url: node.url });
  service = await startMailer({ url: node.url });
  await service.registered();
});
afterAll(async () => {
  await service.stop();
  await node.stop();
});

const mails = (gid: string): unknown[] => service.app.get(Mailbox).ran.filter((one) => one.gid === gid);
const mail = (gid: string, to = 'alice') => ({
  gid,
  deliveries: [{ branchId: 'm', component: 'mail', payload: { to } }],
});

test('what a component says of its checks is what its messages get', async () => {
  expect((await client.getComponent('mail')).check).toEqual({ afterMs: 100, intervalMs: 30_000, maxAttempts: 15 });
});

test('work with the manager commits, and the message arrives', async () => {
  const before = await service.money();
  const done = await service.app
    .get(Messages)
    .inTransaction({ ...mail('sent-1'), wait: 'settled' }, (manager) =>
      manager.query('UPDATE wallet SET balance = balance - 1'),
    );
  expect(done).toMatchObject({ submitted: true, transaction: { status: 'committed' } });
  expect(mails('sent-1')).toMatchObject([{ payload: { to: 'alice' } }]);
  expect(await service.money()).toEqual({ balance: before.balance - 1, held: before.held + 1 });
});

test('work that throws is rolled back, and no message arrives', async () => {
  const before = await service.money();
  const sending = service.app.get(Messages).inTransaction(mail('sent-2'), async (manager) => {
    await manager.query('UPDATE wallet SET balance = balance - 1');
    throw new Error('sold out');
  });
  await expect(sending).rejects.toThrow('sold out');
  expect((await client.wait('sent-2')).status).toBe('aborted');
  expect([mails('sent-2'), await service.money()]).toEqual([[], before]);
});

test('of a message that nobody submits the coordinator asks the application, which answers by itself', async () => {
  const check = { component: 'order', afterMs: 50 };
  const { mode, ...told } = { ...mail('sent-3'), mode: 'message' as const };
  await client.begin({ mode, ...told, check });
  expect(await client.wait('sent-3')).toMatchObject({
    status: 'aborted',
    reason: { kind: 'refused', detail: 'the local transaction did not commit' },
  });
});
