/** `new TercetClient({ ids })`: what it makes is the gid of every transaction that is begun without one. */
import { CodedError, saga, sagaComponent, TercetClient } from '../../src/client/index.js';
import { TestNode } from '../http/node.js';

let node: TestNode;
let client: TercetClient;
let made = 0;

beforeAll(async () => {
  node = await TestNode.start();
  await node.component('account');
  client = new TercetClient({ url: node.url, ids: { next: async () => String((made += 1)) } });
});

afterAll(() => node.stop());

beforeEach(() => {
  made = 0;
});

const branches = [{ branchId: 'a', component: 'account' }];

test('a begin, a TCC that its initiator drives, and a saga behind its name', async () => {
  expect((await client.begin({ branches })).gid).toBe('1');
  const { transaction, result } = await client.tcc({}, async ({ gid }) => gid);
  expect([transaction.gid, result]).toEqual(['2', '2']);
  const pay = saga('pay').step('a', sagaComponent('account'), () => 1, { compensate: false });
  expect((await pay.run(client, {})).transaction.gid).toBe('pay-3');
  expect(await client.newId()).toBe('4');
});

test('with a gid of its own none is made', async () => {
  expect((await client.begin({ gid: 'order-17', branches })).gid).toBe('order-17');
  expect((await client.tcc({ gid: 'order-18' }, async () => null)).transaction.gid).toBe('order-18');
  expect(made).toBe(0);
});

test('when there is none, nothing is sent, and it says why', async () => {
  const ids = { next: () => Promise.reject(new CodedError('TERCET_ID_UNAVAILABLE', 'the database gives no ids')) };
  const without = new TercetClient({ url: node.url, ids });
  await expect(without.begin({ branches })).rejects.toMatchObject({ code: 'TERCET_ID_UNAVAILABLE' });
  const { transactions } = await client.list();
  expect(transactions.map(({ gid }) => gid).sort()).toEqual(['1', '2', 'order-17', 'order-18', 'pay-3']);
});
