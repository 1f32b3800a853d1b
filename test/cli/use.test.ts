/** What every command does alike: help, wrong use, a coordinator that is not there or refuses, a pipe that breaks. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { COMMANDS } from '../../src/cli/commands.js';
import { newKey } from '../../src/http/keys.js';
import { KNOWN } from '../../src/settings.js';
import { TestNode } from '../http/node.js';
import { json, Service } from '../participants/service.js';
import { SCRIPT, tercet } from './tercet.js';

const names = COMMANDS.map(({ name }) => name);
const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));

describe('help', () => {
  test('without arguments: every command in 80 columns, as wrong use', async () => {
    const { code, stdout, stderr } = await tercet([]);
    expect([code, stdout]).toEqual([2, '']);
    for (const name of names) expect(stderr).toContain(`  ${name} `);
    expect(widest(stderr)).toBeLessThanOrEqual(80);
  });

  test('--help, and help alone: every setting that is known too, and each exit code', async () => {
    const { code, stdout } = await tercet(['--help']);
    expect(code).toBe(0);
    for (const name of ['DATABASE_URL', ...KNOWN]) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect(widest(stdout)).toBeLessThanOrEqual(80);
    expect(await tercet(['help'])).toEqual({ code, stdout, stderr: '' });
  });

  test.each(names)('of %s: asked for in three ways, with examples, in 80 columns', async (name) => {
    const words = name.split(' ');
    const { code, stdout, stderr } = await tercet(['help', ...words]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(new RegExp(`^usage: tercet ${name}`));
    expect(stdout).toMatch(/examples:\n {2}\S/);
    expect(widest(stdout)).toBeLessThanOrEqual(80);
    expect((await tercet([...words, '--help'])).stdout).toBe(stdout);
    expect((await tercet([...words, 'x', '-h'])).stdout).toBe(stdout);
  });

  test.each(['tx', 'component', 'key'])(
    'of the group %s: its commands; without one of them it is wrong use',
    async (group) => {
      const { code, stdout } = await tercet(['help', group]);
      expect(code).toBe(0);
      for (const name of names.filter((one) => one.startsWith(`${group} `))) expect(stdout).toContain(`  ${name}`);
      expect(await tercet([group])).toEqual({ code: 2, stdout: '', stderr: stdout });
    },
  );
});

test.each<[string[], RegExp]>([
  [['tx', 'lst'], /there is no command 'lst'/],
  [['frobnicate'], /there is no command 'frobnicate'/],
  [['tx', 'list', '--paked'], /unknown option '--paked'/],
  [['tx', 'list', '--status'], /'--status <value>' argument missing/],
  [['tx', 'list', '--status', 'gone'], /--status is 'gone'; it must be one of open, /],
  [['tx', 'list', '--mode', 'xa'], /--mode is 'xa'; it must be one of tcc, /],
  [['tx', 'list', '--from', 'yesterday'], /--from is 'yesterday'; it must be how long ago/],
  [['tx', 'list', '--parked=no'], /'--parked' does not take an argument/],
  [['tx', 'list', 'order-17'], /'order-17' is one argument too many/],
  [['tx', 'show'], /it needs GID/],
  [['tx', 'show', 'a', 'b'], /'b' is one argument too many/],
  [['tx', 'watch', 'a', '--for', 'ever'], /--for is 'ever'/],
  [['tx', 'retry', 'a'], /--reason is needed/],
  [['tx', 'retry', 'a', '--reason', ''], /--reason is needed/],
  [['tx', 'park', '--reason', 'r'], /which ones/],
  [['tx', 'park', '--parked', '--reason', 'r'], /--dry-run says which, or --yes does it/],
  [['tx', 'park', '--parked', '--reason', 'r', '--yes', '--dry-run'], /--dry-run says which, or --yes does it/],
  [['tx', 'abort', 'a', '--status', 'open', '--reason', 'r'], /--status is for a filter/],
  [['tx', 'abort', 'a', '--dry-run', '--reason', 'r'], /--dry-run is for a filter/],
  [['tx', 'abort', '--status', 'open', '--reason', 'r', '--yes', '--limit', 'all'], /--limit is 'all'/],
  [['tx', 'force', 'a', '--reason', 'r'], /it needs GID BRANCH/],
  [['tx', 'list', '--url', 'localhost:8372'], /the URL .* must be like/],
  [['tx', 'list', '--url', 'http://u:hunter2@127.0.0.1:1'], /the URL .* must be like/],
  [['tx', 'list', '--key', 'with space'], /the key .* has characters that no key has/],
  [['key', 'new', '--role', 'viewer'], /--name is needed/],
  [['key', 'new', '--name', 'a'], /--role or --component is needed/],
  [['key', 'new', '--name', 'a', '--role', 'root'], /--role is 'root'; it must be one of viewer, /],
  [['key', 'new', '--name', 'a', '--role', 'component'], /--role component needs --component NAME/],
  [['key', 'new', '--name', 'a:b', '--role', 'viewer'], /'a:b'/],
])('%j is wrong use: 2, the help, and last what is wrong', async (args, wrong) => {
  const { code, stdout, stderr } = await tercet(args);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^usage: tercet /);
  expect(stderr.trimEnd().split('\n').at(-1)).toMatch(wrong);
  expect(stderr).not.toContain('hunter2');
});

describe('a coordinator that is not there, or is none', () => {
  test('nobody listens: 1, where it looked, and how to say where to look', async () => {
    const nobody = await Service.start();
    await nobody.stop();
    const { code, stdout, stderr } = await tercet(['tx', 'list'], { TERCET_URL: nobody.url });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(nobody.url);
    expect(stderr).toMatch(/ECONNREFUSED[^]*TERCET_URL or --url/);
    expect(stderr.trimEnd().split('\n')).toHaveLength(2);
  });

  test.each<[string, Parameters<typeof json>, RegExp]>([
    ['another service', [{ hello: 'world' }], /no coordinator: its answer has no 'transactions'/],
    [
      'a redirect',
      [{}, 302, { location: 'http://127.0.0.1:1/elsewhere' }],
      /a redirect to .*elsewhere, which is not followed/,
    ],
    ['an error that is none of ours', [{ error: 'no' }, 500], /no coordinator: HTTP 500/],
  ])('%s: 1, in words', async (_name, answer, told) => {
    const other = await Service.start(json(...answer));
    const { code, stderr } = await tercet(['tx', 'list', '--url', `${other.url}/`]);
    await other.stop();
    expect(code).toBe(1);
    expect(stderr).toMatch(told);
    expect(other.asked.map(({ path }) => path)).toEqual(['/v1/transactions']);
  });
});

describe('keys', () => {
  const ops = newKey('ops', 'operator');
  const viewer = newKey('viewer', 'viewer');
  let node: TestNode;

  beforeAll(async () => {
    node = await TestNode.start({ TERCET_KEYS: `${ops.entry} ${viewer.entry}` });
  });

  afterAll(() => node.stop());

  const as = (key: string, ...args: string[]) => tercet(args, { TERCET_URL: node.url, TERCET_KEY: key });

  test('none, and one that is not known: 5, and how to give one; a key is never printed', async () => {
    const none = await as('', 'tx', 'list');
    expect(none.code).toBe(5);
    expect(none.stderr).toMatch(/^tercet: TERCET_KEY_INVALID: [^]*TERCET_KEY or --key gives one/);
    const { key } = newKey('stranger', 'admin');
    const unknown = await as(key, 'tx', 'list');
    expect(unknown.code).toBe(5);
    expect(unknown.stderr).toMatch(/does not know the key of TERCET_KEY or --key/);
    expect(unknown.stderr).not.toContain(key);
  });

  test('one that may not do this: 5, and which role may; one that may, by the environment and by --key', async () => {
    const refused = await as(viewer.key, 'tx', 'retry', 'a', '--reason', 'r');
    expect(refused.code).toBe(5);
    expect(refused.stderr).toMatch(/TERCET_ROLE_FORBIDDEN: .*operator[^]*use a key with a role that may/);
    expect((await as(viewer.key, 'tx', 'list')).code).toBe(0);
    expect((await as(viewer.key, 'tx', 'retry', 'a', '--reason', 'r', '--key', ops.key)).code).toBe(3);
  });
});

test('a reader who stops reading ends it quietly', async () => {
  const long = 'x'.repeat(100_000);
  const many = Array.from({ length: 20 }, (_, index) => ({ gid: `${long}${index}` }));
  const other = await Service.start(json({ transactions: many, next: 'more' }));
  const args = [SCRIPT, 'tx', 'list', '--all', '--json', '--url', other.url];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let told = '';
  child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
  child.stdout.once('data', () => child.stdout.destroy());
  const [code] = (await once(child, 'close')) as [number];
  await other.stop();
  expect([code, told]).toEqual([0, '']);
});
