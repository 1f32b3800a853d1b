/** What an operator orders: some by name, many by filter, each recorded with its reason. */
import { newKey } from '../../src/http/keys.js';
import type { TimelineView } from '../../src/protocol/words.js';
import { begin, TestNode } from '../http/node.js';
import { json } from '../participants/service.js';
import { lines, tercet } from './tercet.js';
import type { Ended } from './tercet.js';

const ops = newKey('ops', 'admin');
let node: TestNode;
let failing: Set<string>;

beforeEach(async () => {
  node = await TestNode.start();
  await node.component('account', { retry: { baseMs: 1, maxAttempts: 1 } });
  failing = new Set();
  node.participant.answer = (response, asked) => {
    if (asked.call.op === 'confirm' && failing.has(asked.call.gid)) response.writeHead(500).end();
    else json({})(response, asked);
  };
});

afterEach(() => node.stop());

const run = (...args: string[]): Promise<Ended> => tercet(args, { TERCET_URL: node.url });
const status = async (gid: string): Promise<string> =>
  (await node.get(`/v1/transactions/${gid}?wait=settled&waitMs=10000`)).body.status;

async function parked(...gids: string[]): Promise<void> {
  for (const gid of gids) {
    failing.add(gid);
    await node.post('/v1/transactions', begin({ gid, wait: 'settled' }));
  }
}

async function open(...gids: string[]): Promise<void> {
  for (const gid of gids) await node.post('/v1/transactions', { mode: 'tcc', gid, drive: 'initiator' });
}

async function orders(gid: string): Promise<(string | undefined)[]> {
  const { events } = (await node.get<TimelineView>(`/v1/transactions/${gid}/timeline`)).body;
  return events.filter(({ kind }) => kind === 'operator').map(({ detail }) => detail);
}

test.each(['resume', 'retry'])('%s lets those that are named go on, and records why', async (action) => {
  await parked('p-1', 'p-2');
  failing.clear();
  const ended = await run('tx', action, 'p-1', 'p-2', '--reason', 'the service is back');
  expect([ended.code, ended.stderr]).toEqual([0, '']);
  expect(lines(ended).map((line) => line.split(' ')[0])).toEqual(['p-1', 'p-2']);
  expect(await Promise.all([status('p-1'), status('p-2')])).toEqual(['committed', 'committed']);
  expect(await orders('p-2')).toEqual([expect.stringMatching(new RegExp(`${action} .*: the service is back$`))]);
});

test('park keeps one from going on, and --json is the transaction as the API answers it', async () => {
  await open('o-1');
  const { code, stdout } = await run('tx', 'park', 'o-1', '--reason', 'look first', '--json');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual((await node.get('/v1/transactions/o-1')).body);
  expect((JSON.parse(stdout) as { parked: unknown }).parked).toMatchObject({
    why: expect.stringContaining('look first'),
  });
});

test('abort is one by an operator', async () => {
  await open('o-1');
  expect((await run('tx', 'abort', 'o-1', '--reason', 'left over')).stdout).toMatch(/^o-1 {2}abort/);
  const { body } = await node.get('/v1/transactions/o-1');
  expect(body.reason).toMatchObject({ kind: 'operator', detail: expect.stringContaining('left over') });
});

test('force takes the branches that are named', async () => {
  await parked('p-1');
  const { code, stdout } = await run('tx', 'force', 'p-1', 'a', '--reason', 'settled by hand');
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^p-1 {2}commit/)]);
  expect(await status('p-1')).toBe('committed');
  expect((await run('tx', 'force', 'p-1', 'none', '--reason', 'r')).code).not.toBe(0);
});

test('what is refused does not keep the others; it ends as the first that was', async () => {
  await parked('p-1');
  await node.post('/v1/transactions', begin({ gid: 'ended', wait: 'settled' }));
  failing.clear();
  const { code, stdout, stderr } = await run('tx', 'resume', 'ended', 'none', 'p-1', '--reason', 'r');
  expect([code, stdout]).toEqual([4, expect.stringMatching(/^p-1 {2}/)]);
  expect(stderr).toMatch(
    /^tercet: ended: TERCET_TRANSACTION_STATE: .*\ntercet: none: TERCET_TRANSACTION_UNKNOWN: .*\n$/,
  );
  expect(await status('p-1')).toBe('committed');
  const alone = await run('tx', 'abort', 'ended', '--reason', 'r');
  expect([alone.code, alone.stderr]).toEqual([4, expect.stringMatching(/^tercet: TERCET_TRANSACTION_DECIDED: /)]);
});

describe('by filter', () => {
  test('--dry-run says how many and shows some, and changes nothing', async () => {
    await parked(...Array.from({ length: 12 }, (_, index) => `p-${index}`));
    await open('o-1');
    const before = await node.recorded();
    const ended = await run('tx', 'resume', '--parked', '--component', 'account', '--reason', 'r', '--dry-run');
    expect(ended.code).toBe(0);
    expect(lines(ended)[0]).toBe('resume would concern 12 transactions');
    expect(lines(ended)[1]).toMatch(/^ {2}GID /);
    expect(
      lines(ended)
        .slice(2, 12)
        .every((line) => /^ {2}p-\d+ +committing +0\/1 /.test(line)),
    ).toBe(true);
    expect(lines(ended).slice(12)).toEqual(['  … and 2 more']);
    expect(await node.recorded()).toEqual(before);
  });

  test('--yes does it to all of them and to no other; --limit bounds it', async () => {
    await parked('p-1', 'p-2', 'p-3');
    await open('o-1');
    failing.clear();
    const some = await run('tx', 'retry', '--parked', '--reason', 'r', '--yes', '--limit', '2');
    expect(some).toMatchObject({
      code: 0,
      stdout: 'retry: 2 of 2 transactions\n',
      stderr: expect.stringContaining('more'),
    });
    const rest = await run('tx', 'retry', '--parked', '--reason', 'back again', '--yes');
    expect(rest).toMatchObject({ code: 0, stdout: 'retry: 1 of 1 transaction\n', stderr: '' });
    expect(await Promise.all(['p-1', 'p-2', 'p-3'].map(status))).toEqual(['committed', 'committed', 'committed']);
    expect((await node.get('/v1/transactions/o-1')).body.status).toBe('open');
    expect(await orders('p-1')).toEqual([expect.stringContaining('back again')]);
  });

  test('abort by time and status; --json is what the API answers', async () => {
    await open('o-1', 'o-2');
    await parked('p-1');
    const { code, stdout } = await run(
      'tx',
      'abort',
      '--status',
      'open',
      '--from',
      '1h',
      '--reason',
      'r',
      '--yes',
      '--json',
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      action: 'abort',
      dryRun: false,
      matched: 2,
      more: false,
      done: 2,
      failed: [],
    });
    expect((await node.get('/v1/transactions/p-1')).body.status).toBe('committing');
  });

  test('what contradicts itself is refused by the coordinator: 2', async () => {
    const { code, stderr } = await run('tx', 'abort', '--status', 'committing', '--reason', 'r', '--yes');
    expect([code, stderr]).toEqual([2, expect.stringMatching(/filter\.status: only open ones can be aborted/)]);
  });
});

test('with a key, the timeline has its name', async () => {
  const guarded = await TestNode.start({ TERCET_KEYS: ops.entry });
  const authorization = `Bearer ${ops.key}`;
  await guarded.post('/v1/transactions', { mode: 'tcc', gid: 'o-1', drive: 'initiator' }, { authorization });
  const env = { TERCET_URL: guarded.url, TERCET_KEY: ops.key };
  const { code, stdout } = await tercet(['tx', 'park', 'o-1', '--reason', 'mine'], env);
  const shown = await tercet(['tx', 'show', 'o-1'], env);
  await guarded.stop();
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^o-1 {2}open {2}parked by ops: mine$/m)]);
  expect(shown.stdout).toMatch(/ {2}operator .*park by ops: mine/);
});
