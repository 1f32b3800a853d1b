/** tercet component list, show, delete. */
import { begin, TestNode } from '../http/node.js';
import { lines, tercet } from './tercet.js';
import type { Ended } from './tercet.js';

let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start();
});

afterAll(() => node.stop());

const run = (...args: string[]): Promise<Ended> => tercet(args, { TERCET_URL: node.url });

test('without any, the list says so', async () => {
  expect(await run('component', 'list')).toEqual({ code: 0, stdout: '', stderr: 'no component is registered\n' });
});

describe('with some', () => {
  beforeAll(async () => {
    await node.component('account', { version: '1.4.0', retry: { baseMs: 50, maxAttempts: 7 } });
    await node.put('/v1/components/mail', { endpoints: { deliver: 'http://127.0.0.1:1/deliver' }, timeoutMs: 1234 });
  });

  test('the list has a row for each, in 80 columns; --json is what the API answers', async () => {
    const ended = await run('component', 'list');
    expect([ended.code, ended.stderr]).toEqual([0, '']);
    expect(lines(ended).map((line) => line.split(/ +/).slice(0, 2))).toEqual([
      ['NAME', 'VERSION'],
      ['account', '1.4.0'],
      ['mail', '-'],
    ]);
    expect(Math.max(...lines(ended).map((line) => line.length))).toBeLessThanOrEqual(80);
    const { body } = await node.get('/v1/components');
    expect(JSON.parse((await run('component', 'list', '--json')).stdout)).toEqual(body);
  });

  test('one is shown with where it is called and its policy; --json is what the API answers', async () => {
    const { stdout } = await run('component', 'show', 'account');
    expect(stdout).toMatch(/^account {2}version 1\.4\.0\n/);
    expect(stdout).toContain(`${node.participant.url}/account`);
    expect(stdout).toMatch(/retries +after 50 ms, .* others: 7,\s+or/s);
    expect((await run('component', 'show', 'mail')).stdout).toMatch(
      /deliver +http:\/\/127\.0\.0\.1:1\/deliver\n.*1234 ms/,
    );
    const { body } = await node.get('/v1/components/mail');
    expect(JSON.parse((await run('component', 'show', 'mail', '--json')).stdout)).toEqual(body);
  });

  test('instances: how many are alive, and each with its last beat', async () => {
    await node.put('/v1/components/account/instances/i-1', { url: `${node.participant.url}/i-1`, ttlMs: 60_000 });
    const list = await run('component', 'list');
    expect(lines(list)[1]).toMatch(/^account +1\.4\.0 +1\/1 +0 +0 % +closed /);
    const { stdout } = await run('component', 'show', 'account');
    expect(stdout).toMatch(/^INSTANCE +LAST BEAT +CALLS +FAILED +BREAKER +URL\ni-1 +\d+s ago +0 +0 % +closed +http/m);
  });

  test('one that is used stays: 4, and what uses it; then it is taken out; then it is not there: 3', async () => {
    await node.post('/v1/transactions', { ...begin({ gid: 'user' }), drive: 'initiator' });
    const used = await run('component', 'delete', 'account');
    expect([used.code, used.stdout]).toEqual([4, '']);
    expect(used.stderr).toMatch(/^tercet: TERCET_COMPONENT_IN_USE: [^]*`tercet tx list --unfinished --component/);
    await node.post('/v1/transactions/user/abort', { wait: 'settled' });
    expect(await run('component', 'delete', 'account')).toEqual({
      code: 0,
      stdout: 'account  taken out\n',
      stderr: '',
    });
    for (const command of ['show', 'delete']) expect((await run('component', command, 'account')).code).toBe(3);
  });
});
