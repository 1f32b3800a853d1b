/** tercet config: drafts, releases, rollouts, and who has taken them. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checksumOf } from '../../src/config/canonical.js';
import type { NamespaceView } from '../../src/protocol/config.js';
import { TestNode } from '../http/node.js';
import { lines, SCRIPT, tercet } from './tercet.js';
import type { Ended } from './tercet.js';

let node: TestNode;
let folder: string;
let count = 0;
let env: string;
let orders: string;

const run = (...args: string[]): Promise<Ended> => tercet(['config', ...args], { TERCET_URL: node.url });
const why = ['--reason', 'more orders'];

/** With something on its standard input. */
function fed(input: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const given = { env: { PATH: process.env['PATH'], TERCET_URL: node.url } };
    const child = execFile(process.execPath, [SCRIPT, 'config', ...args], given, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr });
    });
    child.stdin?.end(input);
  });
}

function file(name: string, value: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
  return path;
}

/** How often the audit was asked for. */
async function audits(): Promise<number> {
  const metrics = await (await fetch(`${node.url}/metrics`)).text();
  const counted = metrics.matchAll(/^tercet_http_requests_total\{[^}]*\/audit"[^}]*\} (\d+)$/gm);
  return [...counted].reduce((sum, [, each]) => sum + Number(each), 0);
}

const view = async (): Promise<NamespaceView> =>
  (await node.get<NamespaceView>(`/v1/config/${env}/namespaces/orders`)).body;

beforeAll(async () => {
  node = await TestNode.start({ TERCET_CONFIG_KEYS: `k:${randomBytes(32).toString('base64')}` });
  folder = mkdtempSync(join(tmpdir(), 'tercet-config-'));
});

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await node.stop();
});

beforeEach(async () => {
  count += 1;
  env = `env-${count}`;
  orders = `${env}/orders`;
  await node.put(`/v1/config/${env}/namespaces/orders`, { about: 'the order service' });
});

test('values are drafted, released, changed, read, compared, and brought back', async () => {
  const drafted = await run('set', orders, 'limits.max=5', 'name=acme', 'zones=["a"]', ...why);
  expect([drafted.code, drafted.stderr]).toEqual([0, '']);
  expect(lines(drafted)).toEqual([
    `${orders}  draft 1, nothing is in force`,
    '  + /limits  {"max":5}',
    '  + /name    "acme"',
    '  + /zones   ["a"]',
  ]);
  expect((await run('list', env)).stdout).toMatch(
    /^NAMESPACE +RELEASE +DRAFT +ABOUT\norders +- +yes +the order service\n$/,
  );
  const dry = await run('release', env, '--dry-run', ...why);
  expect([dry.code, dry.stderr]).toEqual([0, 'nothing was released; without --dry-run it is\n']);
  expect(await run('get', orders)).toMatchObject({ code: 3, stdout: '' });
  const released = await run('release', env, ...why);
  expect(lines(released).at(-1)).toBe('release 1  in force for all');
  expect(await run('get', orders, 'limits.max')).toMatchObject({ code: 0, stdout: '5\n' });
  expect(await run('get', orders, '/name')).toMatchObject({ code: 0, stdout: 'acme\n' });
  expect(await run('get', orders, 'name', '--json')).toMatchObject({ code: 0, stdout: '"acme"\n' });
  expect(await run('get', orders, 'none')).toMatchObject({ code: 3, stdout: '' });
  await run('set', orders, 'limits.max=10', 'zones.-=b', '--unset', 'name', ...why);
  expect(lines(await run('diff', env))).toEqual([
    orders,
    '  ~ /limits/max  5 → 10',
    '  - /name        "acme"',
    '  + /zones/1     "b"',
  ]);
  expect((await run('draft', orders)).stderr).toMatch(/^written \d+s ago by operator: more orders\n$/);
  await run('release', orders, ...why);
  expect((await run('show', env, '2')).stdout).toMatch(
    /release +2 of env-\d+, for all, in force\n[^]*~ \/limits\/max +5 → 10/,
  );
  const back = await run('rollback', env, '1', '--reason', 'orders fail');
  expect(lines(back).at(-1)).toBe('release 3  in force for all');
  expect((await run('history', env)).stdout).toMatch(
    /^RELEASE +STATE .*\n +3 +in force .* back to 1: orders fail\n +2 +replaced .*\n +1 +replaced /,
  );
  expect((await run('audit', env)).stdout).toMatch(/^AT +BY +WHAT +OF +WHY\n.* operator +rollback +orders release 3 /);
  expect(JSON.parse((await run('get', orders, '--release', '2', '--json')).stdout)).toMatchObject({ release: 2 });
  expect((await run('diff', orders, '2', 'current')).stdout).toContain('~ /limits/max  10 → 5');
});

test('the edit lock is given back, and what somebody else has of it is not written over', async () => {
  await run('set', orders, 'a=1', ...why);
  expect((await view()).editor).toBeNull();
  await node.post(`/v1/config/${env}/namespaces/orders/lock`);
  const refused = await run('set', orders, 'a=2', ...why);
  expect([refused.code, refused.stdout]).toEqual([4, '']);
  expect(refused.stderr).toMatch(/^tercet: TERCET_CONFIG_LOCKED: [^\n]*operator[^\n]*\n {2}ask whoever it is/);
});

test('a draft of what is not in force any more is not built upon', async () => {
  await run('set', orders, 'a=1', ...why);
  await run('release', env, ...why);
  await run('set', orders, 'b=1', ...why);
  const path = `/v1/config/${env}/releases`;
  await node.sql(`UPDATE tercet.config_namespace SET draft_base = NULL WHERE environment = $1`, [env]);
  const refused = await run('set', orders, 'c=1', ...why);
  expect([refused.code, refused.stderr]).toEqual([
    4,
    expect.stringMatching(/is of release none, and 1 is in force since/),
  ]);
  expect((await node.post<object>(path, { reason: 'r' })).status).toBe(409);
  expect(lines(await run('discard', orders, ...why))).toEqual([`${orders}  draft 2 dropped`]);
  expect(await run('discard', orders, ...why)).toMatchObject({ code: 3, stdout: '' });
});

test('a secret comes from standard input, and is shown to nobody', async () => {
  const told = await fed('hunter2\n', 'set', orders, '--secret', 'db.password', ...why);
  expect(told.stdout).toContain('+ /db  {"password":"secret ••••••"}');
  await run('release', env, ...why);
  const { body } = await node.get<object>(`/v1/config/${env}/values?namespaces=orders&instance=i&secrets=plain`);
  expect(body).toMatchObject({ namespaces: { orders: { content: { db: { password: 'hunter2' } } } } });
  for (const args of [
    ['get', orders],
    ['history', env],
    ['show', env, '1'],
    ['audit', env, '--json'],
  ]) {
    expect((await run(...args)).stdout).not.toContain('hunter2');
  }
  expect((await run('rotate', ...why)).stdout).toMatch(/^sealed anew: \d+\n$/);
});

test('a schema and rules say what keeps a draft from its release', async () => {
  const schema = file('schema.json', { type: 'object', properties: { max: { type: 'integer' } } });
  const rules = file('rules.json', [{ path: '/min', is: '<', than: '/max', message: 'min must be less' }]);
  expect(lines(await run('schema', orders, '--file', schema, '--rules', rules))).toEqual([
    `${orders}  a schema, 1 rule`,
  ]);
  expect((await run('schema', orders)).stdout).toMatch(/"type": "integer"[^]*\/min < \/max +\(min must be less\)\n$/);
  const drafted = await run('set', orders, '--file', file('all.json', { min: 9, max: 5 }), ...why);
  expect([drafted.code, drafted.stderr]).toEqual([
    0,
    expect.stringMatching(/^it cannot be released as it is:\n.*min must be less/),
  ]);
  const refused = await run('release', env, ...why);
  expect([refused.code, refused.stdout]).toEqual([2, '']);
  expect(refused.stderr).toMatch(/TERCET_CONFIG_INVALID[^]*\n {2}orders\/min: min must be less\n/);
  expect(await run('schema', `${env}/new`, '--about', 'made')).toMatchObject({ code: 0 });
});

test('a gray release is for some, and says for whom; nodes say who has taken it', async () => {
  await run('set', orders, 'a=1', ...why);
  await run('release', env, ...why);
  const say = (instance: string, release: number, state: string, over: object = {}): Promise<unknown> =>
    node.put(`/v1/config/${env}/nodes/${instance}`, {
      incarnation: 'one',
      labels: { zone: 'a' },
      ttlMs: 60_000,
      namespaces: { orders: { release, checksum: checksumOf({}), state, ...over } },
    });
  await say('n1', 1, 'applied');
  await run('set', orders, 'a=2', ...why);
  const gray = await run('release', env, '--gray', 'zone=a', '--percent', '100', ...why);
  expect(lines(gray).at(-1)).toBe('release 2  gray, for zone=a, 100 %');
  expect(gray.stderr).toContain('it is for 1 of 1 live instances: n1\n');
  expect((await run('list')).stdout).toMatch(new RegExp(`${env} +1 +2 +2 gray, running, for zone=a, 100 %`));
  expect((await run('nodes', env)).stdout).toMatch(
    /^INSTANCE +NAMESPACE +DESIRED +APPLIED +SINCE +STATE\nn1 +orders +2 +1 +\d+s +late\n$/,
  );
  expect((await run('widen', env, '--percent', '50', ...why)).stdout).toContain('gray, for zone=a, 50 %');
  const looked = await audits();
  const watching = run('watch', env, '--for', '8s');
  while ((await audits()) === looked);
  await say('n1', 2, 'applied');
  await run('promote', env, '--reason', 'no errors');
  const told = (await watching).stdout;
  expect(told).toMatch(/ promote release 2 by operator: no errors\n/);
  expect(await run('abort', env, ...why)).toMatchObject({ code: 4, stdout: '' });
});

test.each<[string[], RegExp]>([
  [['set', 'production', 'a=1', ...why], /name a namespace too: production\/NAMESPACE/],
  [['set', 'Prod/a', 'a=1', ...why], /'Prod' is no name of an environment/],
  [['set', 'production/a', ...why], /it needs PATH=VALUE/],
  [['set', 'production/a', 'a', ...why], /'a' is no PATH=VALUE/],
  [['set', 'production/a', 'a=12345678901234567890', ...why], /beyond ±\(2\^53−1\)/],
  [['set', 'production/a', 'a=1'], /--reason is needed/],
  [['set', 'production/a', '--file', '/no/such/file', ...why], /\/no\/such\/file cannot be read/],
  [['get', 'production/a', '--release', 'x'], /'x' is no number of a release/],
  [['get', 'production/a', '--release', '1', '--draft'], /two different things/],
  [['diff', 'production', 'before'], /'before' is no number of a release/],
  [['release', 'production', '--gray', 'zone', ...why], /--gray is 'zone'/],
  [['release', 'production', '--percent', 'half', ...why], /--percent is 'half'/],
  [['release', 'production', '--strict', '--percent', '1', ...why], /--strict is for all/],
  [['release', 'production', '--evict', ...why], /of --strict/],
  [['widen', 'production', ...why], /--gray or --percent is needed/],
])('%j is wrong use: 2, and last what is wrong', async (args, wrong) => {
  const { code, stdout, stderr } = await run(...args);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr.trimEnd().split('\n').at(-1)).toMatch(wrong);
});
