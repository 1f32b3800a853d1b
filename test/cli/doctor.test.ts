/** tercet doctor, and key new: what it looks at, how it ends, what it never prints. */
import { Service as Process } from '../../examples/scenarios/processes.js';
import { parseKeys } from '../../src/http/keys.js';
import type { DiagnosisView } from '../../src/protocol/words.js';
import { begin, TestNode } from '../http/node.js';
import { Service } from '../participants/service.js';
import { createDatabase } from '../support/postgres.js';
import { SCRIPT, tercet } from './tercet.js';

describe('tercet doctor', () => {
  test('a line for each check, advice where there is any, and 1 because something is wrong', async () => {
    const node = await TestNode.start({ TERCET_NODE: 'a' });
    await node.component('account', { retry: { maxAttempts: 1 } });
    node.participant.answer = (response, { call }) => void response.writeHead(call.op === 'confirm' ? 500 : 200).end();
    await node.post('/v1/transactions', begin({ wait: 'settled' }));
    const ended = await tercet(['doctor'], { TERCET_URL: node.url });
    const asJson = await tercet(['doctor', '--json'], { TERCET_URL: node.url });
    await node.stop();
    expect([ended.code, ended.stderr, asJson.code]).toEqual([1, '', 1]);
    expect(ended.stdout).toMatch(/^tercet \S+, node a\n/);
    expect(ended.stdout).toMatch(/^ {2}✓ components +1 of 1 can be connected to$/m);
    // The database of the tests does not sync.
    expect(ended.stdout).toMatch(/^ {2}✗ disk +fsync is off, full_page_writes off\n +→ turn both on/m);
    expect(ended.stdout).toMatch(/^ {2}✗ parked +waiting for a person: 1\n +→ `tercet tx list --parked`/m);
    expect(ended.stdout).toMatch(/\n\n2 wrong, \d to look at\n$/);
    expect(Math.max(...ended.stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    const { node: name, checks } = JSON.parse(asJson.stdout) as DiagnosisView;
    expect(name).toBe('a');
    for (const check of checks) expect(ended.stdout).toMatch(new RegExp(`^ {2}[✓!✗] ${check.name} `, 'm'));
  });

  test('shows the settings of the coordinator, and no password', async () => {
    const database = await createDatabase();
    const env = { DATABASE_URL: database.url, TERCET_LISTEN: '127.0.0.1:0', TERCET_SIGNING_SECRET: 'x'.repeat(40) };
    const node = new Process({ name: 'tercet', script: SCRIPT, args: ['serve'], env });
    await node.start();
    const { stdout } = await tercet(['doctor', '--json'], { TERCET_URL: node.url });
    await node.signal('SIGTERM');
    await database.drop();
    const shown = (JSON.parse(stdout) as DiagnosisView).checks.find(({ name }) => name === 'settings')?.detail ?? '';
    const { username, password, host, pathname } = new URL(database.url);
    expect(shown).toContain(`DATABASE_URL=postgres://${username}@${host}${pathname}`);
    expect(shown).toContain('TERCET_LISTEN=127.0.0.1:0');
    expect(shown).toContain('TERCET_SIGNING_SECRET is set');
    expect(password).not.toBe('');
    expect(stdout).not.toContain(password);
    expect(stdout).not.toContain(env.TERCET_SIGNING_SECRET);
  });

  test('without a coordinator: where it looked, that nobody listens, and whether the settings here would do', async () => {
    const nobody = await Service.start();
    await nobody.stop();
    const env = { TERCET_URL: nobody.url, DATABASE_URL: 'postgres://u:hunter2@db/x', TERCET_LEASE_MS: '5000' };
    const { code, stdout } = await tercet(['doctor'], env);
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ coordinator +cannot reach/);
    expect(stdout).toMatch(/! port +nobody listens there/);
    expect(stdout).toMatch(/✓ settings +DATABASE_URL=postgres:\/\/u@db\/x,/);
    expect(stdout).not.toContain('hunter2');
    const wrong = await tercet(['doctor', '--json'], { ...env, TERCET_LEASE_MS: 'soon' });
    const { checks } = JSON.parse(wrong.stdout) as DiagnosisView;
    expect(checks.map(({ name, ok }) => [name, ok])).toEqual([
      ['coordinator', false],
      ['port', 'warning'],
      ['settings', false],
    ]);
    expect(checks[2]?.detail).toMatch(/TERCET_LEASE_MS is 'soon'/);
  });

  test('says so where something else listens', async () => {
    const other = await Service.start();
    const { code, stdout } = await tercet(['doctor'], { TERCET_URL: other.url });
    await other.stop();
    expect(code).toBe(1);
    expect(stdout.replace(/\s+/g, ' ')).toMatch(/✗ coordinator what answers at .* is no coordinator/);
    expect(stdout).toMatch(/✗ port +something listens at 127\.0\.0\.1/);
  });
});

describe('tercet key new', () => {
  test('prints a key once, and an entry that knows it and does not hold it', async () => {
    const args = ['key', 'new', '--name', 'order-service', '--role', 'initiator', '--role', 'initiator'];
    const { code, stdout } = await tercet([...args, '--component', 'order', '--json']);
    const made = JSON.parse(stdout) as { name: string; roles: string[]; key: string; entry: string };
    expect(code).toBe(0);
    expect(made).toMatchObject({ name: 'order-service', roles: ['initiator', 'component=order'] });
    expect(made.entry).not.toContain(made.key.slice(7));
    const node = await TestNode.start({ TERCET_KEYS: made.entry });
    const list = await tercet(['tx', 'list'], { TERCET_URL: node.url, TERCET_KEY: made.key });
    await node.stop();
    expect(list.code).toBe(0);
  });

  test('for a person: the key, the entry, and how to use both', async () => {
    const { stdout } = await tercet(['key', 'new', '--name', 'ops', '--role', 'operator']);
    const [key = ''] = /tercet_[\w-]{43}/.exec(stdout) ?? [];
    const [entry = ''] = /ops:operator:[0-9a-f]{64}/.exec(stdout) ?? [];
    expect(key).not.toBe('');
    expect([...parseKeys(entry)].map(({ name }) => name)).toEqual(['ops']);
    expect(stdout.split(key)).toHaveLength(2);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});

test('demo hands on its arguments, and the exit code of what it runs', async () => {
  const { code, stderr } = await tercet(['demo', '--orders', 'none']);
  expect([code, stderr]).toEqual([2, expect.stringContaining('--orders N')]);
});

test('a command that talks HTTP does not look at the settings of the process around it', async () => {
  const node = await TestNode.start();
  const env = { TERCET_URL: node.url, TERCET_NO_SUCH: 'x', DATABASE_URL: 'nonsense' };
  const { code } = await tercet(['tx', 'list'], env);
  await node.stop();
  expect(code).toBe(0);
});
